#!/usr/bin/perl

# How fast refreshes leave.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Counters::Unit;

Counters::Unit::run('pace');
