package console

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// binaries is the folder of the built daemons.
var binaries = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "console-") })

// buildRace builds the daemon with the race detector. buildFast builds it as users have it, for what depends on speed.
var (
	buildRace = sync.OnceValues(func() (string, error) { return build("race", "CGO_ENABLED=1", "-race") })
	buildFast = sync.OnceValues(func() (string, error) { return build("fast", "CGO_ENABLED=0", "-tags", "nethttpomithttp2") })
)

func build(name, env string, flags ...string) (string, error) {
	dir, err := binaries()
	if err != nil {
		return "", err
	}
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Minute)
	defer stop()
	bin := filepath.Join(dir, name)
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"build"}, flags...), "-o", bin, "./cmd/mock-ec2-metadata")...)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), env)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
}

// elsewhere are addresses that this machine answers for without having them, so that to the daemon clients from there are other machines.
const elsewhere = "172.30.77.0/24"

var routed atomic.Bool

var route = sync.OnceValue(func() error {
	if os.Getuid() != 0 {
		return errors.New("run it as root: clients that are not this machine need a route")
	}
	if out, err := exec.Command("ip", "route", "replace", "local", elsewhere, "dev", "lo").CombinedOutput(); err != nil {
		return fmt.Errorf("ip route: %w: %s", err, out)
	}
	routed.Store(true)
	return nil
})

// others lets a test send requests from elsewhere.
func others(t *testing.T) {
	t.Helper()
	if err := route(); err != nil {
		t.Fatal(err)
	}
}

func TestMain(m *testing.M) {
	code := m.Run()
	endBrowser()
	if routed.Load() {
		_ = exec.Command("ip", "route", "del", "local", elsewhere, "dev", "lo").Run()
	}
	if dir, err := binaries(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}
