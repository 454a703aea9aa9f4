//go:build !linux

package main

import (
	"log/slog"
	"runtime/debug"
)

// trim gives back the memory of the heap that only the start needed.
func trim(*slog.Logger) { debug.FreeOSMemory() }
