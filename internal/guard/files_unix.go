//go:build unix

package guard

import (
	"math"
	"syscall"
)

// openFiles is how many files the process may have open; the runtime has raised it as far as it goes.
func openFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxInt32
	}
	return int(min(uint64(limit.Cur), math.MaxInt32)) //nolint:unconvert // the type differs between systems
}
