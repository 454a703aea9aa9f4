package cli

import (
	"bytes"
	"log/slog"
	"os/exec"
	"regexp"
	"runtime"
	"testing"

	"mock-ec2-metadata/internal/config"
)

// inNamespace has a container's interfaces at first, and a tunnel to other machines later. It prints what the program says.
const inNamespace = `
say() { "$@" 2>&1; echo "exit $?"; }
mount -t sysfs none /sys && ip link set lo up
ip link add v0 type veth peer name v1 && ip addr add 172.30.0.1/24 dev v0 && ip link set v0 up && ip link set v1 up
mock-ec2-metadata serve --listen 127.0.0.1:5000 --set credentials.mock=true --set server.console=0.0.0.0:5081 >/dev/null 2>&1 &
daemon=$!
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do mock-ec2-metadata healthcheck >/dev/null 2>&1 && break; sleep 0.2; done
say mock-ec2-metadata console
ip tuntap add t0 mode tun && ip addr add 192.0.2.1/24 dev t0 && ip link set t0 up
say mock-ec2-metadata console --revoke
say mock-ec2-metadata console
kill $daemon; wait $daemon; echo "exit $?"
timeout 20 mock-ec2-metadata serve --listen 127.0.0.1:5000 --set credentials.mock=true --set server.console=0.0.0.0:5081 2>&1 >/dev/null; echo "exit $?"
say mock-ec2-metadata check --set credentials.mock=true --set server.console=127.0.0.1:5081 >/dev/null; echo "loopback $?"
`

// TestConsole_AddressOfANetworkIsRefused has a network namespace of its own.
func TestConsole_AddressOfANetworkIsRefused(t *testing.T) {
	isolate(t)
	if runtime.GOOS != "linux" {
		t.Skip("needs network namespaces")
	}
	for _, program := range []string{"unshare", "ip", "mock-ec2-metadata"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s", program)
		}
	}
	if err := exec.CommandContext(t.Context(), "unshare", "-rnm", "sh", "-c", "mount -t sysfs none /sys && ip tuntap add t0 mode tun").Run(); err != nil {
		t.Skipf("no tunnel in a network namespace: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "-rnm", "sh", "-c", inNamespace)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v %s", err, &stderr)
	}
	got := regexp.MustCompile(`#k=[A-Za-z0-9_-]{43}\n`).ReplaceAllString(string(out), "#k=CODE\n")
	got = regexp.MustCompile(`t0 fe80::[0-9a-f:/]*, `).ReplaceAllString(got, "")
	const refused = "mock-ec2-metadata: server.console: 0.0.0.0:5081 is not a loopback address, and other machines may read or reach it by t0 192.0.2.0/24; use auto or 127.0.0.1:5081\nexit 1\n"
	want := "http://127.0.0.1:5081/#k=CODE\nIt works once, for 60 seconds.\nexit 0\n" +
		"all sessions have ended, and the port is closed\nexit 0\n" + refused + "exit 0\n" + refused + "loopback 0\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s%s", got, want, &stderr)
	}
}

func TestCheckConsole_LoopbackAndNoneAreAllowedAnywhere(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, address := range []string{"auto", "off", "127.0.0.1:5081", "127.8.9.1:5081", "[::1]:5081", "[::ffff:127.0.0.1]:5081"} {
		if err := checkConsole(config.Server{Console: address}, log); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}
