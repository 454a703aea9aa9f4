package identity

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mock-ec2-metadata/internal/testutil"
)

func TestState_RestartKeepsThePair(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	first, log := identity(t, dir)
	want := certificate(t, first)
	second, _ := identity(t, dir)
	if got := certificate(t, second); got != want {
		t.Error("another certificate after a restart")
	}
	if log.String() != "" {
		t.Errorf("logged %s", log)
	}
}

func TestState_OneFileForTheUserOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	i, _ := identity(t, dir)
	sign(t, i)
	for _, tt := range []struct {
		name string
		mode os.FileMode
	}{
		{"", 0o700 | os.ModeDir},
		{stateFile, 0o600},
	} {
		if info, err := os.Stat(filepath.Join(dir, tt.name)); err != nil || info.Mode() != tt.mode {
			t.Errorf("%q has mode %v, want %v (%v)", tt.name, info.Mode(), tt.mode, err)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("files left: %v", entries)
	}
}

func TestNewPair_HasALongValidityAndARandomSerialNumber(t *testing.T) {
	p, err := newPair(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if !p.cert.NotBefore.Before(time.Now().Add(-23*time.Hour)) || !p.cert.NotAfter.After(time.Now().AddDate(29, 11, 0)) || p.key.N.BitLen() != 2048 {
		t.Errorf("a key of %d bits from %v until %v", p.key.N.BitLen(), p.cert.NotBefore, p.cert.NotAfter)
	}
	if p.cert.SerialNumber.BitLen() < 100 || p.cert.SerialNumber.Cmp(shared().cert.SerialNumber) == 0 {
		t.Errorf("serial number %v, want a random one", p.cert.SerialNumber)
	}
}

func TestState_DamagedFileIsAnErrorAndStaysUntouched(t *testing.T) {
	whole, err := shared().encode()
	if err != nil {
		t.Fatal(err)
	}
	keyBlock, cert := pem.Decode(whole)
	key := pem.EncodeToMemory(keyBlock)
	const hint = "; delete it to have a new one made (verifiers need its certificate then)"
	for _, tt := range []struct {
		name string
		text []byte
		want string
	}{
		{"empty", nil, "is not PEM, or is truncated"},
		{"truncated", whole[:300], "is not PEM, or is truncated"},
		{"no key", cert, "holds no private key"},
		{"no certificate", key, "holds no certificate"},
		{"truncated in the certificate", whole[:len(key)+300], "holds no certificate"},
		{"damaged key", append(badPEM("PRIVATE KEY"), cert...), "holds a private key that is damaged, or of an unknown kind"},
		{"damaged certificate", append(key, badPEM("CERTIFICATE")...), "holds a certificate that is damaged"},
		{"certificate of another key", append(rsaKey(t, keyBits), cert...), "holds a certificate of another key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			file := testutil.Write(t, filepath.Join(dir, stateFile), string(tt.text))
			want := "the daemon's identity key pair, " + file + ", " + tt.want + hint
			i, log := identity(t, dir)
			if _, err := i.Sign(t.Context(), nil); fmt.Sprint(err) != want {
				t.Errorf("Sign: %v\nwant: %s", err, want)
			}
			if _, err := i.CertificatePEM(t.Context()); fmt.Sprint(err) != want {
				t.Errorf("CertificatePEM: %v\nwant: %s", err, want)
			}
			if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, tt.text) {
				t.Errorf("the file has changed (%v)", err)
			}
			if log.String() != "" {
				t.Errorf("logged %s", log)
			}
		})
	}
}

func TestState_FixNeedsNoRestart(t *testing.T) {
	dir := t.TempDir()
	file := testutil.Write(t, filepath.Join(dir, stateFile), "x")
	i, _ := identity(t, dir)
	if _, err := i.Sign(t.Context(), nil); err == nil || i.Failure() == nil {
		t.Fatalf("signed with a damaged file: %v, %v", err, i.Failure())
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := writeState(dir, shared(), os.Link); err != nil {
		t.Fatal(err)
	}
	sign(t, i)
	if err := i.Failure(); err != nil {
		t.Errorf("Failure after the fix: %v", err)
	}
}

func TestState_UnreadableFileIsAnError(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(file string) error
		want string // FILE stands for the file
	}{
		{
			"directory", func(file string) error { return os.Mkdir(file, 0o700) },
			"the daemon's identity key pair, FILE, cannot be read: is a directory; let the daemon's user read it, or delete it to have a new one made (verifiers need its certificate then)",
		},
		{
			"dangling link", func(file string) error { return os.Symlink("nowhere", file) },
			"the daemon's identity key pair, FILE, disappeared after it was made; check what deletes it, or whether it is a dangling symbolic link",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, stateFile)
			if err := tt.make(file); err != nil {
				t.Fatal(err)
			}
			i, _ := identity(t, dir)
			want := strings.ReplaceAll(tt.want, "FILE", file)
			if _, err := i.Sign(t.Context(), nil); fmt.Sprint(err) != want {
				t.Errorf("got:  %v\nwant: %s", err, want)
			}
		})
	}
}

func TestPrepare_LogsAFailure(t *testing.T) {
	dir := t.TempDir()
	file := testutil.Write(t, filepath.Join(dir, stateFile), "x")
	i, log := identity(t, dir)
	i.Prepare()
	i.Wait()
	want := `level=ERROR msg="the identity document cannot be signed" error="the daemon's identity key pair, ` + file +
		`, is not PEM, or is truncated; delete it to have a new one made (verifiers need its certificate then)"` + "\n"
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// A file mode would not prevent root from writing, so that a file takes the place of the directory.
func TestState_PairThatCannotBeSavedIsUsedWithAWarning(t *testing.T) {
	file := testutil.WriteTemp(t, "file", "")
	for _, tt := range []struct{ name, dir, fix, err string }{
		{name: "file as directory", dir: file, fix: "make " + file + " writable, or set identity.state_dir to a directory that is", err: "not a directory"},
		{name: "no home", fix: "set identity.state_dir to a directory that is writable", err: "no home directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("XDG_STATE_HOME", "")
			t.Setenv("HOME", "")
			i, log := identity(t, tt.dir)
			want := certificate(t, i)
			if got := certificate(t, i); got != want {
				t.Error("another certificate the second time")
			}
			if persistent, err := i.Persistent(t.Context()); persistent || err != nil {
				t.Errorf("Persistent = %v, %v", persistent, err)
			}
			sign(t, i)
			line := fmt.Sprintf("level=WARN msg=\"cannot save the identity key pair\" error=%q hint=%q\n",
				tt.err, "signatures and certificate change at each restart; "+tt.fix)
			if diff := cmp.Diff(line, log.String()); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWriteState_WithoutHardLinksKeepsTheFirstPair(t *testing.T) {
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
		t.Errorf("files left: %v", entries)
	}
}

func TestDefaultStateDir_FollowsXDG(t *testing.T) {
	for _, tt := range []struct{ name, state, home, want string }{
		{name: "XDG_STATE_HOME", state: "/state", home: "/home/dev", want: "/state/mock-ec2-metadata"},
		{name: "home", home: "/home/dev", want: "/home/dev/.local/state/mock-ec2-metadata"},
		{name: "relative XDG_STATE_HOME", state: "relative", home: "/home/dev", want: "/home/dev/.local/state/mock-ec2-metadata"},
		{name: "XDG_STATE_HOME without home", state: "/state", want: "/state/mock-ec2-metadata"},
		{name: "neither", want: ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("XDG_STATE_HOME", tt.state)
			t.Setenv("HOME", tt.home)
			if got := DefaultStateDir(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
