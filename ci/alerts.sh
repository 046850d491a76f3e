#!/usr/bin/env bash
# The alert rules of docs/: that Prometheus takes them, and that they ring when they should.
source "$(dirname "$0")/common.sh"
need promtool prometheus

step "alert rules"
promtool check rules docs/alerts.yml
promtool test rules docs/alerts.test.yml
