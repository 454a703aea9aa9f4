//go:build !linux

package podproc

import (
	"errors"
	"runtime"
)

// New fails: only Linux has processes in network namespaces.
func New(Options) (*Finder, error) {
	return nil, errors.New("finding pods by processes: not on " + runtime.GOOS + "; only on Linux")
}

// Witness is never made here.
type Witness struct{}

// Alive is false.
func (*Witness) Alive() bool { return false }

// Close does nothing.
func (*Witness) Close() {}

func (w *Witness) again() (*Witness, error) { return w, nil }
