#!/usr/bin/perl

# How much may leave, and when nothing may.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Counters::Unit;

Counters::Unit::run('quota');
