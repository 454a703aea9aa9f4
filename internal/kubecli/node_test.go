package kubecli

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/kube"
	"mock-ec2-metadata/internal/testutil"
)

// fakeAPI tells about a node while it is not away.
type fakeAPI struct {
	away  atomic.Bool
	asked atomic.Int64
}

func (f *fakeAPI) read(name string) (*kube.Node, error) {
	f.asked.Add(1)
	if f.away.Load() {
		return nil, errors.New("connection refused")
	}
	return &kube.Node{
		Name: name, Cluster: "0a1b2c3d", Zone: "eu-west-3b", InstanceType: "m6i.large",
		Addresses: []netip.Addr{netip.MustParseAddr("fd00::7"), netip.MustParseAddr("10.0.0.7")},
		PodCIDRs:  []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24")},
	}, nil
}

// inPod is what a daemon in a pod knows of its node, with its file in a directory.
func inPod(t *testing.T, directory string) (*nodeFacts, *fakeAPI) {
	t.Helper()
	t.Setenv(clusterVariable, "10.96.0.1")
	api := new(fakeAPI)
	return &nodeFacts{read: api.read, file: filepath.Join(directory, nodeFile)}, api
}

var node7 = config.Node{Name: "node7", Cluster: "0a1b2c3d", Zone: "eu-west-3b", InstanceType: "m6i.large", IPv4: "10.0.0.7", IPv6: "fd00::7"}

func TestNodeFacts_AreReadOnce(t *testing.T) {
	n, api := inPod(t, t.TempDir())
	for range 3 {
		if got := n.get("node7"); got != node7 {
			t.Errorf("%+v", got)
		}
	}
	if asked := api.asked.Load(); asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	if got := n.podCIDRs(); len(got) != 1 {
		t.Errorf("networks of pods: %v", got)
	}
}

func TestNodeFacts_OutsideAClusterNobodyIsAsked(t *testing.T) {
	n, api := inPod(t, t.TempDir())
	t.Setenv(clusterVariable, "")
	if got := n.get("node7"); got != (config.Node{}) || api.asked.Load() != 0 {
		t.Errorf("%+v, asked %d times", got, api.asked.Load())
	}
}

func TestNodeFacts_AnswerOfAnEarlierRunIsUsedWhileTheAPIIsAway(t *testing.T) {
	directory := t.TempDir()
	n, _ := inPod(t, directory)
	n.get("node7")
	n.follow(t.Context(), "node7", func(string) error { t.Error("reloaded"); return nil }, slog.New(slog.DiscardHandler))

	n, api := inPod(t, directory)
	api.away.Store(true)
	if got := n.get("node7"); got != node7 {
		t.Errorf("the same node: %+v", got)
	}
	if got := n.get("node8"); got != (config.Node{Name: "node8"}) {
		t.Errorf("another node: %+v", got)
	}
	if n.podCIDRs() != nil || n.networks() != nil {
		t.Error("networks are known without an answer")
	}
	testutil.Write(t, n.file, "{half")
	if got := n.get("node7"); got != (config.Node{Name: "node7"}) {
		t.Errorf("a broken file: %+v", got)
	}
}

func TestNodeFacts_ReloadWhenTheAPIIsBack(t *testing.T) {
	n, api := inPod(t, t.TempDir())
	api.away.Store(true)
	synctest.Test(t, func(t *testing.T) {
		n.get("node7")
		began, reloads := time.Now(), 0
		go func() {
			time.Sleep(time.Minute)
			api.away.Store(false)
		}()
		n.follow(t.Context(), "node7", func(string) error {
			reloads++
			if got := n.get("node7"); got != node7 {
				t.Errorf("while it reloads: %+v", got)
			}
			return nil
		}, slog.New(slog.DiscardHandler))
		if took := time.Since(began); reloads != 1 || took < time.Minute || took > time.Minute+readAgain {
			t.Errorf("%d reloads after %v", reloads, took)
		}
		api.away.Store(true)
		if got := n.get("node7"); got != node7 {
			t.Errorf("away again: %+v", got)
		}
	})
}

func TestNodeFacts_FollowEndsWithItsContext(t *testing.T) {
	n, api := inPod(t, t.TempDir())
	api.away.Store(true)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		n.follow(ctx, "node7", func(string) error { t.Error("reloaded"); return nil }, slog.New(slog.DiscardHandler))
	})
}

// Requests of unknown addresses ask for the networks, and must not wait for the API.
func TestNodeFacts_NobodyWaitsWhileTheAPIIsAsked(t *testing.T) {
	n, _ := inPod(t, t.TempDir())
	asked, answer := make(chan struct{}), make(chan struct{})
	n.read = func(string) (*kube.Node, error) {
		close(asked)
		<-answer
		return nil, errors.New("no answer")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.get("node7")
	}()
	<-asked
	n.networks()
	n.podCIDRs()
	close(answer)
	<-done
}
