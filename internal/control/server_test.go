package control

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mock-ec2-metadata/internal/api"
	"mock-ec2-metadata/internal/testutil"
)

func TestListen_OnlyTheUserCanConnect(t *testing.T) {
	dir := filepath.Join(shortDir(t), "sockets")
	s, _ := serve(t, Auto, dir)
	socket := filepath.Join(dir, "5000.sock")
	if got := s.Status(); *got != (api.Control{Socket: socket}) {
		t.Errorf("status %+v", got)
	}
	for path, want := range map[string]os.FileMode{dir: os.ModeDir | 0o700, socket: os.ModeSocket | 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want mode %v", path, info.Mode(), err, want)
		}
	}
	wantAnswer(t, socket)
}

// TestListen_PathOfTheConfigurationIsUsed leaves the directory as it is.
func TestListen_PathOfTheConfigurationIsUsed(t *testing.T) {
	dir := shortDir(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "own")
	s, _ := serve(t, socket, "/not/used")
	if got := s.Status(); *got != (api.Control{Socket: socket}) {
		t.Errorf("status %+v", got)
	}
	if info, err := os.Stat(socket); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	wantAnswer(t, socket)
	s.Close()
	if info, err := os.Stat(dir); err != nil || info.Mode() != os.ModeDir|0o755 {
		t.Errorf("the directory: %v, %v", info.Mode(), err)
	}
}

// leave makes a socket that no process listens on, as a daemon that was killed does.
func leave(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
}

func TestListen_ReplacesTheSocketOfAKilledDaemon(t *testing.T) {
	dir := shortDir(t)
	socket := filepath.Join(dir, "5000.sock")
	leave(t, socket)
	serve(t, Auto, dir)
	wantAnswer(t, socket)
}

func TestListen_RefusesASocketInUse(t *testing.T) {
	dir := shortDir(t)
	socket := filepath.Join(dir, "5000.sock")
	serve(t, Auto, dir)
	want := "the control socket " + socket + " is in use by another mock-ec2-metadata; stop that, or set server.control to another path or off"
	for _, mode := range []string{Auto, socket} {
		t.Run(mode, func(t *testing.T) {
			s, err := Listen(mode, dir, "5000", &fakeDaemon{}, slog.New(slog.DiscardHandler))
			if s != nil || err == nil || err.Error() != want {
				t.Errorf("%v, error %v; want %s", s, err, want)
			}
		})
	}
	wantAnswer(t, socket) // the first one goes on
}

// TestListen_FailsWithAPathButNotWithAuto has places where no socket can be made.
func TestListen_FailsWithAPathButNotWithAuto(t *testing.T) {
	long := strings.Repeat("x", 100)
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, dir string) (path string)
		want    string // {PATH} stands for the path
		auto    bool   // the same happens with auto
	}{
		{
			name: "a file is there", auto: true,
			prepare: func(t *testing.T, dir string) string {
				return testutil.Write(t, filepath.Join(dir, "5000.sock"), "content")
			},
			want: "no control socket: {PATH} is not a socket; remove it, or set server.control to another path",
		},
		{
			name: "a directory is there", auto: true,
			prepare: func(t *testing.T, dir string) string {
				path := filepath.Join(dir, "5000.sock")
				if err := os.Mkdir(path, 0o700); err != nil {
					t.Fatal(err)
				}
				return path
			},
			want: "no control socket: {PATH} is not a socket; remove it, or set server.control to another path",
		},
		{
			name:    "no directory",
			prepare: func(_ *testing.T, dir string) string { return filepath.Join(dir, "none", "5000.sock") },
			want:    "no control socket: {PATH}: bind: no such file or directory; set server.control to a path that the daemon's user can write",
		},
		{
			name: "too long", auto: true,
			prepare: func(_ *testing.T, dir string) string { return filepath.Join(dir, long, "5000.sock") },
			want:    "no control socket: {PATH} has more than 103 bytes; set server.control to a shorter path",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := tt.prepare(t, shortDir(t))
			want := strings.ReplaceAll(tt.want, "{PATH}", path)
			s, err := Listen(path, "", "", &fakeDaemon{}, slog.New(slog.DiscardHandler))
			if s != nil || err == nil || err.Error() != want {
				t.Errorf("with the path: %v, error %v\nwant %s", s, err, want)
			}
			if !tt.auto {
				return
			}
			auto, log := serve(t, Auto, filepath.Dir(path))
			if got := auto.Status(); *got != (api.Control{Error: want}) {
				t.Errorf("with auto: %+v\nwant %s", got, want)
			}
			if !log.Contains(`level=INFO msg="running without a control socket" error="` + want) {
				t.Errorf("logged %s", log)
			}
		})
	}
}

func TestListen_LeavesAFileAsItIs(t *testing.T) {
	path := testutil.Write(t, filepath.Join(shortDir(t), "5000.sock"), "content")
	s, _ := serve(t, Auto, filepath.Dir(path))
	s.Close()
	if content, err := os.ReadFile(path); err != nil || string(content) != "content" {
		t.Errorf("%q, %v", content, err)
	}
}

// TestStatus_MakesARemovedSocketAgain removes it as logind does with XDG_RUNTIME_DIR at the last logout.
func TestStatus_MakesARemovedSocketAgain(t *testing.T) {
	for _, tt := range []struct {
		name   string
		remove func(socket string) error
	}{
		{"socket", os.Remove},
		{"directory", func(socket string) error { return os.RemoveAll(filepath.Dir(socket)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := serve(t, Auto, filepath.Join(shortDir(t), "sockets"))
			socket := s.Status().Socket
			wantAnswer(t, socket)
			for range 2 {
				if err := tt.remove(socket); err != nil {
					t.Fatal(err)
				}
				if got := s.Status(); *got != (api.Control{Socket: socket}) {
					t.Errorf("status %+v", got)
				}
				wantAnswer(t, socket)
			}
			s.Close()
			if _, err := os.Lstat(filepath.Dir(socket)); !os.IsNotExist(err) {
				t.Errorf("left behind: %v", err)
			}
		})
	}
}

// TestStatus_RetriesASocketThatCouldNotBeMade has a file in place of the directory, which goes away later.
func TestStatus_RetriesASocketThatCouldNotBeMade(t *testing.T) {
	dir := filepath.Join(shortDir(t), "sockets")
	for _, tt := range []struct {
		name  string
		start func(t *testing.T) *Server
	}{
		{name: "at the start", start: func(t *testing.T) *Server {
			testutil.Write(t, dir, "")
			s, _ := serve(t, Auto, dir)
			return s
		}},
		{name: "later", start: func(t *testing.T) *Server {
			s, _ := serve(t, Auto, dir)
			wantAnswer(t, s.Status().Socket)
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			testutil.Write(t, dir, "")
			return s
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.start(t)
			want := "no control socket: " + dir + " is not a directory; remove it"
			for range 2 {
				if got := s.Status(); *got != (api.Control{Error: want}) {
					t.Fatalf("status %+v, want %s", got, want)
				}
			}
			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
			socket := filepath.Join(dir, "5000.sock")
			if got := s.Status(); *got != (api.Control{Socket: socket}) {
				t.Fatalf("status %+v", got)
			}
			wantAnswer(t, socket)
			s.Close()
			if _, err := os.Lstat(dir); !os.IsNotExist(err) {
				t.Errorf("left behind: %v", err)
			}
		})
	}
}

func TestStatus_MakesNoSocketAfterClose(t *testing.T) {
	dir := filepath.Join(shortDir(t), "sockets")
	s, _ := serve(t, Auto, dir)
	s.Close()
	s.Status()
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("left behind: %v", err)
	}
}

func TestClose_KeepsTheSocketsOfOtherDaemons(t *testing.T) {
	dir := filepath.Join(shortDir(t), "sockets")
	s, _ := serve(t, Auto, dir)
	other, err := Listen(Auto, dir, "5001", &fakeDaemon{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "5001.sock" {
		t.Errorf("%v, %v", entries, err)
	}
	other.Close() // it has not served
	if _, err := os.Lstat(dir); !os.IsNotExist(err) {
		t.Errorf("left behind: %v", err)
	}
}

func TestClose_GivesUpRequestsInFlight(t *testing.T) {
	asked, ended := make(chan struct{}), make(chan struct{})
	d := &fakeDaemon{answer: func(context.Context, string) (string, error) {
		close(asked)
		<-ended
		return "", errRefused
	}}
	s, err := Listen(Auto, shortDir(t), "5000", d, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve()
	failed := make(chan error, 1)
	go func() {
		_, err := NewClient(s.Status().Socket).MFA(t.Context(), "", "123456")
		failed <- err
	}()
	<-asked
	s.Close()
	if err := <-failed; err == nil || err.Error() != "nothing answers at "+s.path+": EOF" {
		t.Errorf("error %v", err)
	}
	close(ended)
}

// TestPeers_OtherUsersGetNoAnswer opens directory and socket to everybody, so that only the peer's uid is in the way.
func TestPeers_OtherUsersGetNoAnswer(t *testing.T) {
	dir := shortDir(t)
	socket := filepath.Join(dir, "s")
	cmd := asNobody(t, "status "+socket)
	_, log := serve(t, socket, "")
	for path, mode := range map[string]os.FileMode{dir: 0o755, socket: 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	got := output(t, cmd)
	if !strings.HasPrefix(got, "error: nothing answers at "+socket+": ") || strings.Contains(got, "i-1") {
		t.Errorf("got %s", got)
	}
	if !log.Contains(`level=WARN msg="refused at the control socket" uid=65534`) {
		t.Errorf("logged %s", log)
	}
	wantAnswer(t, socket) // the daemon's own user
}

// TestPeers_RootGetsAnAnswer asks a daemon of another user.
func TestPeers_RootGetsAnAnswer(t *testing.T) {
	dir := shortDir(t)
	socket := filepath.Join(dir, "s")
	cmd := asNobody(t, "listen "+socket)
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); line != "listens\n" {
		t.Fatalf("%q, %v", line, err)
	}
	wantAnswer(t, socket)
	_ = in.Close()
	rest, _ := io.ReadAll(lines)
	if err := cmd.Wait(); err != nil || len(rest) > 0 {
		t.Errorf("%v %s", err, rest)
	}
	if _, err := os.Lstat(socket); !os.IsNotExist(err) {
		t.Errorf("left behind: %v", err)
	}
}

// TestServer_LeavesASocketThatIsNotItsOwn: after something else has taken the path, Status says so and Close keeps it.
func TestServer_LeavesASocketThatIsNotItsOwn(t *testing.T) {
	dir := shortDir(t)
	first, _ := serve(t, Auto, dir)
	path := filepath.Join(dir, "5000.sock")
	if err := os.Rename(path, path+".old"); err != nil { // keeps the file, so that its inode is not used again
		t.Fatal(err)
	}
	second, err := Listen(Auto, dir, "5000", &fakeDaemon{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Close)
	if got := first.Status(); got.Socket != "" || !strings.Contains(got.Error, "something else is at "+path+" now") {
		t.Errorf("status %+v", got)
	}
	first.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the other daemon's socket is gone: %v", err)
	}
}
