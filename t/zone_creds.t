#!/usr/bin/perl

# Credentials in the clear, for as long as they are needed.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Counters::Unit;

Counters::Unit::run('creds');
