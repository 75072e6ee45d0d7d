#!/usr/bin/perl

# What leaves first, in which company, and from which worker.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Counters::Unit;

Counters::Unit::run('dispatch');
