package cluster

import (
	"net"
	"path/filepath"
	"testing"
)

func TestThisMachine_KnowsItsSocketsAndAddresses(t *testing.T) {
	m, err := ThisMachine()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range m.Addresses {
		if a.IsLoopback() || a.IsLinkLocalUnicast() {
			t.Errorf("%s is of every machine", a)
		}
	}
	path := filepath.Join(t.TempDir(), "socket")
	if m.Answers(path) {
		t.Error("a socket that is not there answers")
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if !m.Answers(path) {
		t.Error("a socket does not answer")
	}
	_ = listener.Close()
	t.Setenv("CONTAINERD_ADDRESS", path)
	if m.Getenv("CONTAINERD_ADDRESS") != path {
		t.Error("it does not read the environment")
	}
}
