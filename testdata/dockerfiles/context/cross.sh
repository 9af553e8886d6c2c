#!/bin/sh
set -e
cp "out/$OCITOOL_ARCH/tool" "$OCITOOL_OUTPUT"
