package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// unobservedStarts is how many processes of each variant are counted.
const unobservedStarts = 3

// unobserved counts what the daemon holds with the metrics off and the console not open, beside the older build.
func (b *bench) unobserved(ctx context.Context) error {
	variants := b.variants()
	variants = variants[:len(variants)-1]
	daemons, stop, err := b.observeAll(ctx, slices.Repeat(variants, unobservedStarts))
	if err != nil {
		return err
	}
	defer stop()
	all := make([]held, len(variants))
	for i, d := range daemons {
		h, err := d.holds()
		if err != nil {
			return err
		}
		n := i % len(variants)
		if i < len(variants) {
			all[n] = h
		}
		all[n] = all[n].least(h)
	}
	b.rows = append(b.rows, heldRow(all))
	return nil
}

// held is what a process holds.
type held struct{ listeners, files, goroutines int }

// least returns what both hold: something may be under way in one of them, such as a connection that ends.
func (h held) least(other held) held {
	return held{min(h.listeners, other.listeners), min(h.files, other.files), min(h.goroutines, other.goroutines)}
}

func (h held) String() string {
	return fmt.Sprintf("%d listeners, %d descriptors, %d goroutines", h.listeners, h.files, h.goroutines)
}

// heldRow makes the row of the new daemon, the last of all, beside the older one, if there is one.
func heldRow(all []held) row {
	ours := all[len(all)-1]
	r := row{what: "metrics off, console closed: what the process holds", got: ours.String(), detail: fmt.Sprintf("least of %d starts", unobservedStarts)}
	if len(all) > 1 {
		r.wanted, r.ok = all[0].String(), verdict(ours == all[0])
		r.detail += "; wanted is what the old build holds"
	}
	return r
}

// holds counts what a daemon holds, and ends it.
func (s *server) holds() (h held, err error) {
	if h.listeners, h.files, err = sockets(s.cmd.Process.Pid); err != nil {
		return h, err
	}
	h.goroutines, err = s.goroutines()
	return h, err
}

// sockets counts the listeners of a process, TCP and Unix, and all its descriptors.
func sockets(pid int) (listeners, files int, err error) {
	process := fmt.Sprintf("/proc/%d", pid)
	all, err := os.ReadDir(process + "/fd")
	if err != nil {
		return 0, 0, err
	}
	open := map[string]bool{}
	for _, f := range all {
		if to, err := os.Readlink(filepath.Join(process, "fd", f.Name())); err == nil {
			open[to] = true
		}
	}
	for table, listener := range map[string]func([]string) (inode string){"tcp": tcpListener, "tcp6": tcpListener, "unix": unixListener} {
		text, err := os.ReadFile(filepath.Join(process, "net", table))
		if err != nil && !os.IsNotExist(err) { // a kernel without IPv6 has no tcp6
			return 0, 0, err
		}
		for line := range strings.Lines(string(text)) {
			if open["socket:["+listener(strings.Fields(line))+"]"] {
				listeners++
			}
		}
	}
	return listeners, len(all), nil
}

// tcpListener returns the inode of a line of /proc/net/tcp if that socket listens; else "".
func tcpListener(fields []string) string {
	const state, listening, inode = 3, "0A", 9
	if len(fields) <= inode || fields[state] != listening {
		return ""
	}
	return fields[inode]
}

// unixListener returns the inode of a line of /proc/net/unix if that socket listens; else "".
func unixListener(fields []string) string {
	const flags, accepts, inode = 3, "00010000", 6
	if len(fields) <= inode || fields[flags] != accepts {
		return ""
	}
	return fields[inode]
}
