#!/usr/bin/perl

# What is refreshed before anybody asks.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Counters::Unit;

Counters::Unit::run('ahead');
