#!/usr/bin/perl

# What goes to make room, and for its age.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Counters::Unit;

Counters::Unit::run('evict');
