package podproc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	defaultMaxProcesses = 100_000
	maxTable            = 64 << 20 // bytes of one namespace's table of routes, about 600,000 routes
	maxCgroup           = 64 << 10 // bytes of a /proc/PID/cgroup
	checkEvery          = 64       // processes between two checks of the context
)

// New makes a Finder. It fails if this process does not see the node's processes, as in a pod without hostPID.
func New(o Options) (*Finder, error) {
	s := &scanner{root: cmp.Or(o.Root, "/proc"), maxProcesses: defaultMaxProcesses}
	if err := seesNode(s.root); err != nil {
		return nil, err
	}
	for _, process := range []string{"1", "self"} {
		var st unix.Stat_t
		file := filepath.Join(s.root, process, "net/dev")
		if err := unix.Stat(file, &st); err != nil {
			return nil, fmt.Errorf("network namespaces of processes: %w", &fs.PathError{Op: "stat", Path: file, Err: err})
		}
		s.node = append(s.node, st.Ino)
	}
	return newFinder(s.find), nil
}

// scanner scans the processes once for each call of find. It never changes.
type scanner struct {
	root         string
	maxProcesses int
	node         []uint64 // the network namespaces of the node and of this process
}

// found is what a scan knows so far.
type found struct {
	address netip.Addr
	// has says of each network namespace whether it has the address. The key is the inode of net/dev, which differs between namespaces and
	// needs no privilege; ns/net does.
	has  map[uint64]bool
	uids []string // of the pods whose processes are in namespaces that have it
	// witness is the directory of the oldest of these processes so far, while they are of one pod; -1 is none.
	witness int
}

// find checks every process, since another pod may have the address, too.
func (s *scanner) find(ctx context.Context, a netip.Addr) (uid string, w *Witness, err error) {
	proc, err := os.Open(s.root)
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = proc.Close() }()
	processes, err := s.processes(proc)
	if err != nil {
		return "", nil, err
	}
	f := &found{address: a, has: map[uint64]bool{}, witness: -1}
	defer func() { f.keep(-1) }()
	for _, ino := range s.node {
		f.has[ino] = false
	}
	for i, pid := range processes {
		if i%checkEvery == 0 && ctx.Err() != nil {
			return "", nil, ctx.Err()
		}
		err := f.look(ctx, int(proc.Fd()), pid)
		// The process has ended. It may have been the only one of its namespace; then its pod has ended too.
		gone := errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH)
		if err != nil && !gone {
			return "", nil, fmt.Errorf("process %d: %w", pid, err)
		}
	}
	switch len(f.uids) {
	case 0:
		return "", nil, ErrNone
	case 1:
		w = &Witness{address: a, dir: f.witness}
		f.witness = -1 // it is w's now
		return f.uids[0], w, nil
	default:
		return "", nil, &AmbiguousError{UIDs: f.uids}
	}
}

// keep makes dir the witness, and closes the one before.
func (f *found) keep(dir int) {
	if f.witness >= 0 {
		_ = unix.Close(f.witness)
	}
	f.witness = dir
}

// processes lists the numbers of all processes, newest first.
func (s *scanner) processes(proc *os.File) ([]int, error) {
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	if len(pids) > s.maxProcesses {
		return nil, fmt.Errorf("processes of the node: more than %d; too many to find pods by them", s.maxProcesses)
	}
	last := s.lastPID()
	slices.SortFunc(pids, func(a, b int) int {
		// Numbers begin anew after the highest: those above the last one are the oldest.
		if (a > last) != (b > last) {
			if a > last {
				return 1
			}
			return -1
		}
		return cmp.Compare(b, a)
	})
	return pids, nil
}

// lastPID is the number of the newest process, the last field of loadavg. Only the order depends on it.
func (s *scanner) lastPID() int {
	text, err := os.ReadFile(filepath.Join(s.root, "loadavg"))
	fields := strings.Fields(string(text))
	if err == nil && len(fields) > 0 {
		if last, err := strconv.Atoi(fields[len(fields)-1]); err == nil {
			return last
		}
	}
	return int(^uint(0) >> 1)
}

// look adds what one process shows. The error is ENOENT or ESRCH if the process has ended.
func (f *found) look(ctx context.Context, proc, pid int) error {
	// All is read by this one descriptor, which never leads to a later process of the same number.
	dir, err := unix.Openat(proc, strconv.Itoa(pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() {
		if f.witness != dir {
			_ = unix.Close(dir)
		}
	}()
	ino, err := namespace(dir)
	if err != nil {
		return err
	}
	has, known := f.has[ino]
	if !known {
		if has, err = f.inNamespace(ctx, dir); err != nil {
			return err
		}
		// A process that has changed its namespace meanwhile has shown another's addresses.
		if again, err := namespace(dir); err != nil || again != ino {
			return err
		}
		f.has[ino] = has
	}
	if !has {
		return nil
	}
	text, err := readAt(dir, "cgroup")
	if err != nil {
		return err
	}
	uids := podUIDs(text)
	for _, uid := range uids {
		if !slices.Contains(f.uids, uid) {
			f.uids = append(f.uids, uid)
		}
	}
	if len(uids) > 0 {
		f.keep(dir) // processes come newest first
	}
	return nil
}

// namespace tells the network namespaces of processes apart.
func namespace(dir int) (uint64, error) {
	var st unix.Stat_t
	err := unix.Fstatat(dir, "net/dev", &st, 0)
	return st.Ino, err
}

// inNamespace says whether the network namespace of a process has the address.
func (f *found) inNamespace(ctx context.Context, dir int) (bool, error) {
	file, err := openAt(dir, tableOf(f.address))
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	return hasAddress(&boundedReader{ctx: ctx, from: file, left: maxTable}, f.address)
}

// tableOf names the file of a process that lists the addresses of the kind.
func tableOf(a netip.Addr) string {
	if a.Is6() {
		return "net/if_inet6"
	}
	return "net/fib_trie"
}

func openAt(dir int, name string) (*os.File, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

func readAt(dir int, name string) (string, error) {
	file, err := openAt(dir, name)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxCgroup))
	return string(text), err
}

// boundedReader fails when ctx is done, and beyond a number of bytes: a table that was read in part says nothing.
type boundedReader struct {
	ctx  context.Context // of the scan
	from io.Reader
	left int
}

func (r *boundedReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.left <= 0 {
		return 0, fmt.Errorf("addresses of a network namespace: more than %d MiB", maxTable>>20)
	}
	n, err := r.from.Read(p)
	r.left -= n
	return n, err
}
