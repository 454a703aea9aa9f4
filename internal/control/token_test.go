package control

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"mock-ec2-metadata/internal/testutil"
)

func TestToken_OneOfAKilledDaemonIsReplaced(t *testing.T) {
	dir := shortDir(t)
	path := filepath.Join(dir, "token")
	testutil.Write(t, path, "stale")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	s, _, _ := listenTCP(t, Auto, dir, "5000", "127.0.0.1:0")
	if got := s.Status().TokenFile; got != path || read(t, path) == "stale" {
		t.Errorf("the token is in %s", got)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestToken_SecondDaemonUsesItsPort(t *testing.T) {
	dir := shortDir(t)
	first, _, _ := listenTCP(t, Auto, dir, "5000", "127.0.0.1:0")
	second, _, _ := listenTCP(t, Auto, dir, "5001", "127.0.0.1:0")
	one, two := first.Status(), second.Status()
	if one.TokenFile != filepath.Join(dir, "token") || two.TokenFile != filepath.Join(dir, "5001.token") {
		t.Fatalf("%s and %s", one.TokenFile, two.TokenFile)
	}
	if got := request(t, one.Listen, "GET /v1/status", "Authorization: Bearer "+read(t, two.TokenFile)); got.status != 401 {
		t.Errorf("the other daemon's token: %+v", got)
	}
	first.Close()
	if exists(one.TokenFile) || !exists(two.TokenFile) {
		t.Error("the first leaves its token, or removes the second's")
	}
	third, _, _ := listenTCP(t, Auto, dir, "5002", "127.0.0.1:0")
	if got := third.Status().TokenFile; got != filepath.Join(dir, "token") {
		t.Errorf("the third has %s", got)
	}
}

// TestToken_OnlyFilesAreReplaced has something else at the path, which stays.
func TestToken_OnlyFilesAreReplaced(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"link":      func(path string) error { return os.Symlink(path+".target", path) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := shortDir(t)
			testutil.Write(t, filepath.Join(dir, "token.target"), "another file")
			path := filepath.Join(dir, "token")
			if err := make(path); err != nil {
				t.Fatal(err)
			}
			s, _, _ := listenTCP(t, Auto, dir, "5000", "127.0.0.1:0")
			if got := s.Status().TokenFile; got != filepath.Join(dir, "5000.token") {
				t.Errorf("the token is in %s", got)
			}
			s.Close()
			if !exists(path) || read(t, filepath.Join(dir, "token.target")) != "another file" {
				t.Error("it is gone")
			}
		})
	}
}

// TestToken_PathOfTheConfigurationHasItBeside has the directory of server.control.
func TestToken_PathOfTheConfigurationHasItBeside(t *testing.T) {
	dir := shortDir(t)
	s, _, _ := listenTCP(t, filepath.Join(dir, "own.sock"), "/not/used", "5000", "[::1]:0")
	if got := s.Status(); got.TokenFile != filepath.Join(dir, "token") || got.Listen[:6] != "[::1]:" {
		t.Errorf("%+v", got)
	}
	s.Close()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestToken_StatusRestoresItWithTheSocket removes all, as logind does.
func TestToken_StatusRestoresItWithTheSocket(t *testing.T) {
	dir := filepath.Join(shortDir(t), "sockets")
	s, _, _ := listenTCP(t, Auto, dir, "5000", "127.0.0.1:0")
	before := read(t, s.Status().TokenFile)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s.Status().TokenFile); got != before {
		t.Error("the token has changed")
	}
	second, _, _ := listenTCP(t, Auto, dir, "5001", "127.0.0.1:0")
	if got := second.Status().TokenFile; got != filepath.Join(dir, "5001.token") {
		t.Errorf("the lock is lost: %s", got)
	}
	second.Close()
	s.Close()
	if exists(dir) {
		t.Error("left behind")
	}
}

// TestToken_StartsAtTheSameTimeHaveOneOwner takes a stale file from many at once.
func TestToken_StartsAtTheSameTimeHaveOneOwner(t *testing.T) {
	path := filepath.Join(shortDir(t), "token")
	testutil.Write(t, path, "stale")
	var all sync.WaitGroup
	var mu sync.Mutex
	var owners []*tokenFile
	for range 20 {
		all.Go(func() {
			text := newToken()
			f, err := makeTokenFile(path, text)
			if err != nil {
				if !errors.Is(err, errOwned) {
					t.Error(err)
				}
				return
			}
			mu.Lock()
			defer mu.Unlock()
			owners = append(owners, f)
		})
	}
	all.Wait()
	if len(owners) != 1 {
		t.Fatalf("%d owners", len(owners))
	}
	if read(t, path) != string(owners[0].text) {
		t.Error("the file has another token")
	}
	owners[0].remove()
}
