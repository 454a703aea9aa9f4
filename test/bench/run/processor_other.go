//go:build !linux

package main

import (
	"errors"
	"time"
)

// processorTime needs Linux, as all of make bench does.
func processorTime(int) (time.Duration, error) {
	return 0, errors.New("the processor time of a process can be read on Linux only")
}
