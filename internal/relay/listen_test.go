package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/testutil"
)

// listen makes the socket of a Hub in a directory that does not exist, and serves it until stop is called.
func listen(t *testing.T, n *node) (path string, stop func()) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "run", "relay.sock")
	l, err := n.hub.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	return path, stop
}

// piped is a stream through Pipe, as `kubectl exec -i` gives it.
type piped struct {
	io.Reader
	io.WriteCloser
}

// through runs Pipe and returns the laptop's end.
func through(ctx context.Context, socket string) (conn io.ReadWriteCloser, ended <-chan error) {
	inRead, inWrite := io.Pipe()
	outRead, outWrite := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := Pipe(ctx, socket, inRead, outWrite)
		_ = outWrite.Close()
		_ = inRead.Close()
		done <- err
	}()
	return piped{outRead, inWrite}, done
}

func TestListen_CredentialsComeThroughSocketAndPipe(t *testing.T) {
	n := newNode("n1")
	socket, stop := listen(t, n)
	for path, want := range map[string]fs.FileMode{socket: 0o600 | os.ModeSocket, filepath.Dir(socket): 0o700 | os.ModeDir} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	l := newLaptop(t, n)
	l.opt.Dial = func(ctx context.Context, _ Node) (io.ReadWriteCloser, error) {
		conn, _ := through(ctx, socket)
		return conn, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	testutil.Eventually(t, "the laptop is connected", func() bool { return n.hub.Status().Connected })
	expectCredentials(t, n, 59*time.Minute)
	_, err := n.get(t.Context(), "cart", roleB)
	if e, ok := errors.AsType[*credentials.Error](err); !ok || e.Temporary {
		t.Errorf("got %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run ended with %v", err)
	}
	expectNone(t, n.log.String()+fmt.Sprint(l.events), []string{accessKey, secretKey, tokenText, annotated})
	testutil.Eventually(t, "the laptop is gone", func() bool { return !n.hub.Status().Connected })
	stop()
	if _, err := os.Stat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestListen_StaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.sock")
	killed, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	killed.SetUnlinkOnClose(false)
	_ = killed.Close()
	l, err := newNode("n1").hub.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := newNode("n1").hub.Listen(path); err == nil || !strings.Contains(err.Error(), "is in use by another mock-ec2-metadata-kube") {
		t.Errorf("a second one: %v", err)
	}
}

func TestListen_OtherFilesStay(t *testing.T) {
	path := testutil.WriteTemp(t, "relay.sock", "mine")
	if _, err := newNode("n1").hub.Listen(path); err == nil || !strings.Contains(err.Error(), "is not a socket") {
		t.Errorf("got %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "mine" {
		t.Errorf("the file: %q, %v", text, err)
	}
}

func TestListen_CloseLeavesAnothersSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.sock")
	first, err := newNode("n1").hub.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(path)
	second, err := newNode("n1").hub.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	first.Close()
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestPipe_EndsWhenTheLaptopDoes(t *testing.T) {
	n := newNode("n1")
	socket, _ := listen(t, n)
	conn, ended := through(t.Context(), socket)
	go func() { _, _ = io.Copy(io.Discard, conn) }()
	_, _ = io.WriteString(conn, greet("one")+"\n")
	testutil.Eventually(t, "the laptop is connected", func() bool { return n.hub.Status().Connected })
	_ = conn.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	testutil.Eventually(t, "the laptop is gone", func() bool { return !n.hub.Status().Connected })
}

func TestPipe_EndsWhenTheDaemonDoes(t *testing.T) {
	n := newNode("n1")
	socket, stop := listen(t, n)
	conn, ended := through(t.Context(), socket)
	read := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(conn)
		read <- string(text)
	}()
	_, _ = io.WriteString(conn, greet("one")+"\n")
	testutil.Eventually(t, "the laptop is connected", func() bool { return n.hub.Status().Connected })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if text := <-read; !strings.HasPrefix(text, `{"hello":`) {
		t.Errorf("read %q", text)
	}
}

func TestPipe_WithoutADaemonSaysSo(t *testing.T) {
	err := Pipe(t.Context(), filepath.Join(t.TempDir(), "none"), strings.NewReader(""), io.Discard)
	if err == nil || !strings.HasPrefix(err.Error(), "relay: the daemon in this pod does not listen: ") || !strings.HasSuffix(err.Error(), "; see its log") {
		t.Errorf("got %v", err)
	}
}
