package podproc

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
)

func TestHasAddress_ReadsWhatTheKernelWrites(t *testing.T) {
	for _, c := range []struct {
		address string
		file    string
		want    bool
	}{
		{"10.244.0.2", "fib_trie", true},
		{"10.244.0.0", "fib_trie", false},   // the network
		{"10.244.0.255", "fib_trie", false}, // broadcast
		{"10.244.0.1", "fib_trie", false},   // the gateway, a route's target
		{"10.244.0.20", "fib_trie", false},  // has a prefix that is there
		{"10.9.0.0", "fib_trie", false},     // a local route to a whole network
		{"10.9.0.1", "fib_trie", false},     // within it
		{"10.77.0.1", "fib_trie", false},    // a route to one address, unicast
		{"10.78.0.1", "fib_trie", true},     // two routes, one of them local
		{"fd00:10:244::2", "if_inet6", true},
		{"fd00:10:244::20", "if_inet6", false},
		{"fd00:10:244::", "if_inet6", false},
	} {
		t.Run(c.address, func(t *testing.T) {
			file, err := os.Open("testdata/" + c.file)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = file.Close() }()
			if got, err := hasAddress(file, netip.MustParseAddr(c.address)); got != c.want || err != nil {
				t.Errorf("got %v, %v, want %v", got, err, c.want)
			}
		})
	}
}

func TestHasAddress_LineTooLongIsAnError(t *testing.T) {
	for _, address := range []string{"10.0.0.1", "fd00::1"} {
		if _, err := hasAddress(strings.NewReader(strings.Repeat("x", 1<<20)), netip.MustParseAddr(address)); err == nil {
			t.Errorf("%s: no error", address)
		}
	}
}

func FuzzHasAddress(f *testing.F) {
	for _, name := range []string{"fib_trie", "if_inet6"} {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		four, six := netip.MustParseAddr("10.244.0.2"), netip.MustParseAddr("fd00:10:244::2")
		if has, _ := hasAddress(strings.NewReader(text), four); has && !strings.Contains(text, "|-- "+four.String()) {
			t.Errorf("it sees %v", four)
		}
		digits := strings.ReplaceAll(six.StringExpanded(), ":", "")
		if has, _ := hasAddress(strings.NewReader(text), six); has && !strings.Contains(strings.ToLower(text), digits) {
			t.Errorf("it sees %v", six)
		}
		if len(text) < 1000 { // below the limit of a line
			leaf := fmt.Sprintf("Main:\n%s\n     |-- %s\n        /24 link UNICAST\n        /32 host LOCAL\n", text, four)
			if has, err := hasAddress(strings.NewReader(leaf), four); !has || err != nil {
				t.Errorf("it does not see %v: %v", four, err)
			}
		}
	})
}
