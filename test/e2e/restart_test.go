//go:build e2e && linux

package e2e

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestRestart_GoSDKv1NoticesNothing restarts the daemon below one client of the SDK for Go v1, which keeps a session token for six
// hours and fails a call that is answered with 401.
func TestRestart_GoSDKv1NoticesNothing(t *testing.T) {
	home := mockHome(t, "ec2:\n  instance_id: "+instanceID+"\n"+requireTokens)
	d := startAt(t, home, "127.0.0.1:0")
	ask := watchByGoSDK(t, d.url)
	ask("before the restart")

	for _, restart := range []struct {
		name string
		end  func(*local, *testing.T)
	}{
		{name: "after SIGTERM", end: (*local).stop},
		{name: "after SIGKILL", end: (*local).kill},
	} {
		restart.end(d, t)
		d = startAt(t, home, d.address())
		ask(restart.name)
	}
}

// startAt runs a daemon at an address.
func startAt(t *testing.T, home, address string) *local {
	t.Helper()
	cmd := exec.Command(buildDaemon(t), "--listen", address, "--log-format", "json")
	cmd.Dir = home
	cmd.Env = []string{"PATH=" + systemPath, "HOME=" + home, "XDG_RUNTIME_DIR=" + runtimeDir(t)}
	return follow(t, cmd)
}

// watchByGoSDK starts one client, and returns how to let it ask for the instance id.
func watchByGoSDK(t *testing.T, url string) (ask func(when string)) {
	t.Helper()
	cmd := exec.Command(buildClient(t, "go-v1")[0], "watch")
	cmd.Env = append(clean(t, url), "AWS_EC2_METADATA_V1_DISABLED=true")
	cmd.Stderr = os.Stderr
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
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the client ended with %v", err)
		}
	})
	lines := bufio.NewReader(out)
	return func(when string) {
		t.Helper()
		limit := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		defer limit.Stop()
		_, _ = io.WriteString(in, "\n")
		if line, err := lines.ReadString('\n'); err != nil || line != instanceID+"\n" {
			t.Fatalf("%s: %q, %v", when, line, err)
		}
	}
}
