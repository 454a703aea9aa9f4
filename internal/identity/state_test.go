package identity

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	first, log := identity(t, dir)
	want := certificate(t, first)
	if log.String() != "" {
		t.Errorf("logged %s", log)
	}
	for _, tt := range []struct {
		name string
		mode os.FileMode
	}{{"", 0o700 | os.ModeDir}, {stateFile, 0o600}} {
		if info, err := os.Stat(filepath.Join(dir, tt.name)); err != nil || info.Mode() != tt.mode {
			t.Errorf("%q has mode %v, want %v (%v)", tt.name, info.Mode(), tt.mode, err)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left %v", entries)
	}
	second, _ := identity(t, dir)
	if got := certificate(t, second); got != want {
		t.Error("another certificate after a restart")
	}
	p := second.attempt.pair
	if !p.cert.NotBefore.Before(time.Now().Add(-23*time.Hour)) || !p.cert.NotAfter.After(time.Now().AddDate(29, 11, 0)) || p.key.N.BitLen() != 2048 {
		t.Errorf("a key of %d bits from %v until %v", p.key.N.BitLen(), p.cert.NotBefore, p.cert.NotAfter)
	}
	if p.cert.SerialNumber.BitLen() < 100 || p.cert.SerialNumber.Cmp(shared().cert.SerialNumber) == 0 {
		t.Errorf("serial number %v, want a random one", p.cert.SerialNumber)
	}
}

func TestDamagedState(t *testing.T) {
	whole, err := shared().encode()
	if err != nil {
		t.Fatal(err)
	}
	keyBlock, certBlock := pem.Decode(whole)
	key := pem.EncodeToMemory(keyBlock)
	bad := func(kind string) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte("hunter2")}) }
	const mend = "; delete it to have a new one made (verifiers need its certificate then)"
	for _, tt := range []struct {
		name string
		text []byte
		want string
	}{
		{"empty", nil, "is not PEM, or not whole" + mend},
		{"cut short", whole[:300], "is not PEM, or not whole" + mend},
		{"no key", certBlock, "holds no private key" + mend},
		{"no certificate", key, "holds no certificate" + mend},
		{"cut in the certificate", whole[:len(key)+300], "holds no certificate" + mend},
		{"bad key", append(bad("PRIVATE KEY"), certBlock...), "holds a private key that is damaged, or of an unknown kind" + mend},
		{"bad certificate", append(key, bad("CERTIFICATE")...), "holds a certificate that is damaged" + mend},
		{"another's certificate", append(rsaKey(t, keyBits), certBlock...), "holds a certificate of another key" + mend},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, stateFile)
			if err := os.WriteFile(file, tt.text, 0o600); err != nil {
				t.Fatal(err)
			}
			want := "the daemon's identity key pair, " + file + ", " + tt.want
			i, log := identity(t, dir)
			if _, err := i.Sign(t.Context(), nil); fmt.Sprint(err) != want {
				t.Errorf("Sign: %v\nwant: %s", err, want)
			}
			if _, err := i.CertificatePEM(t.Context()); fmt.Sprint(err) != want {
				t.Errorf("CertificatePEM: %v\nwant: %s", err, want)
			}
			if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, tt.text) {
				t.Errorf("the file was touched (%v)", err)
			}
			if log.String() != "" {
				t.Errorf("logged %s", log)
			}

			// Mended, it needs no restart.
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if err := writeState(dir, shared(), os.Link); err != nil {
				t.Fatal(err)
			}
			sign(t, i)
		})
	}
}

func TestUnreadableState(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(file string) error
		want string
	}{
		{
			"directory", func(file string) error { return os.Mkdir(file, 0o700) },
			"the daemon's identity key pair, FILE, cannot be read: is a directory; let the daemon's user read it, or delete it to have a new one made (verifiers need its certificate then)",
		},
		{
			"link to nowhere", func(file string) error { return os.Symlink("nowhere", file) },
			"the daemon's identity key pair, FILE, is gone just after it was made; look who removes it, or whether it is a symbolic link to nowhere",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, stateFile)
			if err := tt.make(file); err != nil {
				t.Fatal(err)
			}
			i, _ := identity(t, dir)
			want := string(bytes.ReplaceAll([]byte(tt.want), []byte("FILE"), []byte(file)))
			if _, err := i.Sign(t.Context(), nil); fmt.Sprint(err) != want {
				t.Errorf("got:  %v\nwant: %s", err, want)
			}
		})
	}
}

// TestPrepareLogsFailure checks that a failure which no caller sees is told.
func TestPrepareLogsFailure(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, stateFile)
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	i, log := identity(t, dir)
	i.Prepare()
	i.mu.Lock()
	a := i.attempt
	i.mu.Unlock()
	if a != nil { // else it has failed already
		<-a.done
	}
	want := `level=ERROR msg="the identity document cannot be signed" error="the daemon's identity key pair, ` + file +
		`, is not PEM, or not whole; delete it to have a new one made (verifiers need its certificate then)"` + "\n"
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// TestNotKept signs where nothing can be written. The tests may run as root, to whom no mode is a hindrance.
func TestNotKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, dir, do, err string }{
		{"no directory", file, "make " + file + " writable, or set identity.state_dir to a directory that is", "not a directory"},
		{"no home", "", "set identity.state_dir to a directory that is writable", "no home directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("XDG_STATE_HOME", "")
			t.Setenv("HOME", "")
			i, log := identity(t, tt.dir)
			want := certificate(t, i)
			if got := certificate(t, i); got != want {
				t.Error("another certificate the second time")
			}
			if kept, err := i.Kept(t.Context()); kept || err != nil {
				t.Errorf("Kept = %v, %v", kept, err)
			}
			sign(t, i)
			line := fmt.Sprintf("level=WARN msg=%q error=%q\n",
				"the identity key pair cannot be kept, so that signatures and certificate change at each restart; "+tt.do, tt.err)
			if diff := cmp.Diff(line, log.String()); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNoHardLinks uses a file system that has none.
func TestNoHardLinks(t *testing.T) {
	link := func(from, to string) error {
		return &os.LinkError{Op: "link", Old: from, New: to, Err: errors.ErrUnsupported}
	}
	dir := t.TempDir()
	if err := writeState(dir, shared(), link); err != nil {
		t.Fatal(err)
	}
	other := &pair{key: parsed(t, rsaKey(t, keyBits)), cert: shared().cert}
	if err := writeState(dir, other, link); err != nil {
		t.Fatal(err)
	}
	p, err := readState(dir)
	if err != nil || !p.key.Equal(shared().key) {
		t.Errorf("the second pair replaced the first (%v)", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left %v", entries)
	}
}

func TestDefaultStateDir(t *testing.T) {
	for _, tt := range []struct{ state, home, want string }{
		{"/state", "/home/dev", "/state/mock-ec2-metadata"},
		{"", "/home/dev", "/home/dev/.local/state/mock-ec2-metadata"},
		{"relative", "/home/dev", "/home/dev/.local/state/mock-ec2-metadata"},
		{"/state", "", "/state/mock-ec2-metadata"},
		{"", "", ""},
	} {
		t.Setenv("XDG_STATE_HOME", tt.state)
		t.Setenv("HOME", tt.home)
		if got := DefaultStateDir(); got != tt.want {
			t.Errorf("with XDG_STATE_HOME=%q HOME=%q: %q, want %q", tt.state, tt.home, got, tt.want)
		}
	}
}
