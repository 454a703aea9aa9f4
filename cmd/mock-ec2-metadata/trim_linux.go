package main

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// trim gives back the memory that only the start needed: the heap's, and the pages of the program's own file.
func trim(log *slog.Logger) {
	debug.FreeOSMemory()
	if _, err := dropFilePages(); err != nil {
		log.Debug("cannot give memory back", "error", err)
	}
}

// window is how much the kernel maps of a file at once, in bytes, after dropFilePages. It maps all pages around one that is used,
// up to 64 KiB, if it has them in its cache: more than twice of what is ever used. But it goes no further than a mapping.
const window = 8 << 10

// dropFilePages gives back pages that the kernel brings back from the file when they are used (madvise(2), MADV_DONTNEED). It
// says how many bytes of addresses that is about.
func dropFilePages() (bytes uintptr, err error) {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	unchanged, err := unchangedMappings(f)
	for _, m := range unchanged {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED); errno != 0 {
			return bytes, errno
		}
		bytes += m.end - m.start
		m.split()
	}
	return bytes, err
}

type mapping struct{ start, end uintptr }

// split makes many mappings of it by leaving every other window out of core dumps. The first one stays, since its first page says
// which program the dump is of; of the others dumps hold nothing. Where split fails, more memory is in use.
func (m mapping) split() {
	for at := m.start + window; at < m.end; at += 2 * window {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, at, min(window, m.end-at), unix.MADV_DONTDUMP)
	}
}

// unchangedMappings finds the mappings of files that hold nothing but what is in the file: they are not writable, and no page of
// them is the process's own, be it in memory or swapped out (proc_pid_smaps(5)).
func unchangedMappings(smaps io.Reader) ([]mapping, error) {
	var found []mapping
	var current mapping
	var readOnlyFile, inMemory bool
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) >= 5 && !strings.HasSuffix(fields[0], ":"): // address perms offset dev inode path
			var err error
			if current, err = parseMapping(fields[0]); err != nil {
				return nil, err
			}
			readOnlyFile = strings.HasPrefix(fields[1], "r-") && fields[4] != "0"
		case len(fields) == 3 && fields[0] == "Anonymous:":
			inMemory = fields[1] != "0"
		case len(fields) == 3 && fields[0] == "Swap:" && fields[1] == "0" && readOnlyFile && !inMemory: // always after Anonymous
			found = append(found, current)
		}
	}
	return found, lines.Err()
}

func parseMapping(addresses string) (mapping, error) {
	from, to, _ := strings.Cut(addresses, "-")
	start, err := strconv.ParseUint(from, 16, strconv.IntSize)
	if err != nil {
		return mapping{}, fmt.Errorf("smaps: %w", err)
	}
	end, err := strconv.ParseUint(to, 16, strconv.IntSize)
	if err != nil || end < start {
		return mapping{}, fmt.Errorf("smaps: %q are no addresses", addresses)
	}
	return mapping{uintptr(start), uintptr(end)}, nil
}
