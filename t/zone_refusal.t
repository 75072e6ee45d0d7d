#!/usr/bin/perl

# What is refused, forgotten and purged.

use v5.36;

use FindBin;
use lib "$FindBin::Bin/lib";

use Counters::Unit;

Counters::Unit::run('refusal');
