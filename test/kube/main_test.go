//go:build kube && linux

// Package kube tests against real Kubernetes. Some tests start an API server and etcd on the loopback. The others share one cluster with
// a node, which the scripts of this folder start in namespaces of its own.
//
//	test/kube/build.sh
//	go test -tags kube ./test/kube
//
// Without the programs of build.sh in $K8S_DIR/bin the tests are skipped; with KUBE_TESTS=required they fail.
package kube

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// suite is what the tests of one run share.
type suite struct {
	once    sync.Once
	cluster *cluster
	err     error
	product *product // nil before the first test that wants it
}

// theSuite is set by TestMain alone. The cluster starts with the first test that asks for it.
var theSuite = &suite{}

func TestMain(m *testing.M) {
	code := m.Run()
	if theSuite.product != nil {
		theSuite.product.close()
	}
	if theSuite.cluster != nil {
		if err := theSuite.cluster.down(); err != nil {
			_, _ = os.Stderr.WriteString("the cluster: " + err.Error() + "\n")
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// theCluster is the cluster of this run, with a name for what the test makes in it. It skips the test without its programs.
func theCluster(t *testing.T) *cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: no cluster")
	}
	need(t, "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
	theSuite.once.Do(func() { theSuite.cluster, theSuite.err = newCluster() })
	if theSuite.err != nil {
		t.Fatal(theSuite.err)
	}
	return theSuite.cluster
}

// binDir is where build.sh puts programs.
func binDir() string {
	return filepath.Join(cmp.Or(os.Getenv("K8S_DIR"), "/tmp/k8s"), "bin")
}

// need skips the test, or fails it with KUBE_TESTS=required, if build.sh has not built a program or a tool of the machine is missing.
func need(t *testing.T, programs ...string) {
	t.Helper()
	stop := t.Skipf
	if os.Getenv("KUBE_TESTS") == "required" {
		stop = t.Fatalf
	}
	for _, program := range programs {
		if _, err := os.Stat(filepath.Join(binDir(), program)); errors.Is(err, fs.ErrNotExist) {
			stop("%s has no %s: build it with test/kube/build.sh, or set K8S_DIR", binDir(), program)
		}
	}
	if _, err := exec.LookPath("etcd"); err != nil {
		stop("etcd is missing: apt-get install etcd-server")
	}
}
