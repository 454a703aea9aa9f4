package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestUnchangedMappings(t *testing.T) {
	const smaps = `00400000-00973000 r-xp 00000000 fe:00 42                 /usr/bin/mock-ec2-metadata
Size:               5580 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd ex mr mw me sd
00973000-00f0b000 r--p 00573000 fe:00 42                 /usr/bin/mock-ec2-metadata (deleted)
Anonymous:             0 kB
Swap:                  0 kB
00f0b000-00f0c000 r--p 00b0b000 fe:00 42                 relocated
Anonymous:             4 kB
Swap:                  0 kB
00f0b000-00f0c000 r--p 00b0b000 fe:00 42                 relocated and swapped out
Anonymous:             0 kB
Swap:                  4 kB
00f0c000-00f6d000 rw-p 00b0b000 fe:00 42                 data
Anonymous:             0 kB
Swap:                  0 kB
00f6d000-02fb1000 r--p 00000000 00:00 0
Anonymous:             0 kB
Swap:                  0 kB
c000000000-c000400000 rw-p 00000000 00:00 0              [anon: Go: heap]
Anonymous:           400 kB
Swap:                  0 kB
`
	got, err := unchangedMappings(strings.NewReader(smaps))
	if want := []mapping{{0x400000, 0x973000}, {0x973000, 0xf0b000}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%x, %v; want %x", got, err, want)
	}
	if got, err := unchangedMappings(strings.NewReader("x-y r--p 0 0 42 file\nAnonymous: 0 kB\n")); err == nil {
		t.Errorf("%x of no addresses", got)
	}
}

// TestTrim wants all to work as before: the program's own code and constants are what is given back. They are in mappings of a
// window each from then on, in which the kernel maps no more at once.
func TestTrim(t *testing.T) {
	for i := range 3 {
		n, err := dropFilePages()
		if n == 0 || err != nil {
			t.Errorf("%d bytes given back, %v", n, err)
		}
		TestUnchangedMappings(t)
		smaps, err := os.Open("/proc/self/smaps")
		if err != nil {
			t.Fatal(err)
		}
		after, err := unchangedMappings(smaps)
		_ = smaps.Close()
		least := int(n/window) - 20
		if os.Getpagesize() > window {
			least = 1
		}
		if err != nil || len(after) < least {
			t.Errorf("trimmed %d times, %d mappings of files, want at least %d; %v", i+1, len(after), least, err)
		}
	}
}
