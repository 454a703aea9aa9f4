package podproc

import (
	"errors"
	"io"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"
)

// maxWitnessTable bounds what Alive reads, in bytes. A namespace with more routes needs a search each time.
const maxWitnessTable = 1 << 20

// Witness is a process of the pod that Find has named: the oldest one, which in most runtimes lives as long as the pod's network. It is
// a descriptor of the process's directory, which never leads to a later process of the same number. It keeps no namespace alive. It is
// safe for concurrent use.
type Witness struct {
	address netip.Addr

	mu     sync.RWMutex // guards the descriptor against its use after Close
	dir    int
	closed bool
}

// Alive tells whether the process still runs, and its network namespace still has the address. Not all runtimes end the process before
// another pod may get the address, so that it runs is not enough. It makes three system calls, one if the process has ended.
func (w *Witness) Alive() bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return false
	}
	fd, err := unix.Openat(w.dir, tableOf(w.address), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	has, err := hasAddress(io.LimitReader(descriptor(fd), maxWitnessTable), w.address)
	return has && err == nil
}

// Close releases the descriptor. Alive is false from then on. It may be called again.
func (w *Witness) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		_ = unix.Close(w.dir)
	}
}

// again returns another Witness of the same process.
func (w *Witness) again() (*Witness, error) {
	dir, err := unix.FcntlInt(uintptr(w.dir), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return &Witness{address: w.address, dir: dir}, nil
}

// descriptor reads a file without what os.File does for others, which takes system calls.
type descriptor int

func (d descriptor) Read(p []byte) (int, error) {
	for {
		n, err := unix.Read(int(d), p)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}
