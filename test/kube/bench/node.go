//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"mock-ec2-metadata/test/kube/kubetest"
)

const (
	nodeName = "node1"
	user     = 65534 // of the daemon in a cluster
	nodeIP   = "172.30.0.1"
	bridgeIP = "10.244.0.1"
	podCIDR  = "10.244.0.0/16"
	podNetns = "/run/netns/pod" // of the pod that asks, pod 0
	local    = "127.0.0.1:5001"
	metadata = "http://169.254.169.254"
)

// node measures on a node without kubelet: this program starts itself in network and mount namespaces of its own, which end with it.
func (b *bench) node(ctx context.Context) error {
	args := []string{
		"--net", "--mount", "--propagation", "private", b.self, nodeWord, "-plain", b.plain, "-kube", b.kube, "-scripts", b.scripts,
		"-rounds", strconv.Itoa(b.rounds), "-seconds", strconv.Itoa(b.seconds), "-short=" + strconv.FormatBool(b.short), "-parts", "node",
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "unshare", args...)
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return err
	}
	var rows []row
	if err := json.Unmarshal(out.Bytes(), &rows); err != nil {
		return err
	}
	b.rows = append(b.rows, rows...)
	return nil
}

// world is the node inside the namespaces.
type world struct {
	*bench
	api *kubetest.APIServer
	aws *aws
	n   int // of processes that were started
}

// insideNode measures, and writes the rows to the standard output.
func (b *bench) insideNode(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := makeNode(ctx); err != nil {
		return err
	}
	w := &world{bench: b}
	var err error
	if w.aws, err = newAWS("", nodeIP, b.dir); err != nil {
		return err
	}
	defer w.aws.close()
	if w.api, err = kubetest.StartAPIServer(ctx, b.dir, filepath.Join(b.k8s, "bin", "kube-apiserver"), nodeIP); err != nil {
		return err
	}
	defer w.api.Stop()
	if err := errors.Join(w.api.AddNode(ctx, nodeName, nodeIP, podCIDR), w.writeAccount(), w.writeConfigs()); err != nil {
		return err
	}
	if err := w.measureAll(ctx); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(b.rows)
}

// makeNode makes the node's network with a pod in it, and hides the machine's /run, where a pod has its service account.
func makeNode(ctx context.Context) error {
	pod := kubetest.PodAddress(0).String()
	for _, args := range [][]string{
		{"mount", "-t", "tmpfs", "tmpfs", "/run"},
		{"mount", "-t", "sysfs", "sysfs", "/sys"}, // of this network namespace: the guard reads the interfaces
		{"ip", "link", "set", "lo", "up"},
		{"ip", "link", "add", "node0", "type", "bridge"},
		{"ip", "address", "add", nodeIP + "/24", "dev", "node0"},
		{"ip", "link", "set", "node0", "up"},
		{"ip", "link", "add", "cni0", "type", "bridge"},
		{"ip", "address", "add", bridgeIP + "/16", "dev", "cni0"},
		{"ip", "link", "set", "cni0", "up"},
		{"ip", "netns", "add", "pod"},
		{"ip", "link", "add", "veth0", "type", "veth", "peer", "name", "eth0", "netns", "pod"},
		{"ip", "link", "set", "veth0", "master", "cni0", "up"},
		{"ip", "-n", "pod", "link", "set", "lo", "up"},
		{"ip", "-n", "pod", "address", "add", pod + "/16", "dev", "eth0"},
		{"ip", "-n", "pod", "link", "set", "eth0", "up"},
		{"ip", "-n", "pod", "route", "add", "default", "via", bridgeIP},
	} {
		if err := command(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// writeAccount writes what a pod has of its service account, and a kubeconfig.
func (w *world) writeAccount() error {
	const dir = "/run/secrets/kubernetes.io/serviceaccount"
	ca, err := os.ReadFile(w.api.Authority)
	if err != nil {
		return err
	}
	kubeconfig := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: bench
contexts: [{name: bench, context: {cluster: bench, user: bench}}]
clusters: [{name: bench, cluster: {server: "https://%s", certificate-authority: %s}}]
users: [{name: bench, user: {token: %s}}]
`, w.api.Address, w.api.Authority, w.api.Token)
	write := func(file, text string) error { return os.WriteFile(file, []byte(text), 0o644) }
	return errors.Join(
		os.MkdirAll(dir, 0o755), write(filepath.Join(dir, "token"), w.api.Token), write(filepath.Join(dir, "ca.crt"), string(ca)),
		write(filepath.Join(w.dir, "kubeconfig"), kubeconfig),
	)
}

// podsConfig is the configuration of daemons that know pods.
const podsConfig = `kubernetes: {enabled: true, rules: {namespaces: {"*": {allow: ["*"]}}}}
aws: {account_id: "123456789012"}
credentials: {source_profile: default}
`

// writeConfigs writes the configurations of our two programs.
func (w *world) writeConfigs() error {
	const one = "credentials: {source_profile: default, iam_role: \"" + baseARN + roleName + "\"}\nserver: {allow_clients: [" + podCIDR + "]}\n"
	return errors.Join(
		os.WriteFile(filepath.Join(w.dir, "pods.yaml"), []byte(podsConfig), 0o644),
		os.WriteFile(filepath.Join(w.dir, "one.yaml"), []byte(one), 0o644),
	)
}

// launch starts a program with a state folder of its own.
func (w *world) launch(ctx context.Context, name string, env []string, command ...string) (*process, error) {
	w.n++
	own := filepath.Join(w.dir, name) // which the daemon writes to as another user
	if err := errors.Join(os.MkdirAll(own, 0o700), os.Chown(own, user, user)); err != nil {
		return nil, err
	}
	log := filepath.Join(w.dir, fmt.Sprintf("%s-%d.log", name, w.n))
	env = append(append([]string{"XDG_STATE_HOME=" + own, "XDG_RUNTIME_DIR=" + own}, w.aws.env...), env...)
	return start(ctx, name, log, env, command...)
}

// ours starts the daemon as the DaemonSet does, and waits until it knows so many pods.
func (w *world) ours(ctx context.Context, pods int) (*process, error) {
	host, port, _ := net.SplitHostPort(w.api.Address)
	p, err := w.launch(ctx, "ours", []string{
		"NODE_NAME=" + nodeName, "KUBERNETES_SERVICE_HOST=" + host, "KUBERNETES_SERVICE_PORT=" + port,
	}, w.kube, "serve", "--link-local", "--keep-address", "--listen", local, "--listen", net.JoinHostPort(bridgeIP, ownPort), "--config", filepath.Join(w.dir, "pods.yaml"), "--user", strconv.Itoa(user))
	if err != nil {
		return nil, err
	}
	return p, p.await(ctx, time.Minute, func() bool {
		var status struct {
			Kubernetes struct {
				Pods   int
				Synced bool
			}
		}
		return getJSON(ctx, "http://"+local+"/status", &status) == nil && status.Kubernetes.Synced && status.Kubernetes.Pods == pods
	})
}

const (
	ownPort   = "5002" // beside 169.254.169.254, so that all programs are asked at the same address
	peerPort  = "8181"
	plainPort = "5000"
)

// theirs starts kube2iam and waits until it serves, which it does when it knows all pods.
func (w *world) theirs(ctx context.Context) (*process, error) {
	p, err := w.launch(ctx, "kube2iam", nil, peerCommand(w.peer, filepath.Join(w.dir, "kubeconfig"), peerPort)...)
	if err != nil {
		return nil, err
	}
	return p, p.await(ctx, 2*time.Minute, func() bool { return dial(net.JoinHostPort(bridgeIP, peerPort)) == nil })
}

func peerCommand(program, kubeconfig, port string) []string {
	return []string{program, "--kubeconfig", kubeconfig, "--node", nodeName, "--base-role-arn", baseARN, "--app-port", port, "--log-level", "info"}
}

// plainDaemon starts our plain daemon with one role for all clients.
func (w *world) plainDaemon(ctx context.Context) (*process, error) {
	address := net.JoinHostPort(bridgeIP, plainPort)
	p, err := w.launch(ctx, "plain", nil, w.plain, "serve", "--listen", address, "--config", filepath.Join(w.dir, "one.yaml"))
	if err != nil {
		return nil, err
	}
	return p, p.await(ctx, 20*time.Second, func() bool { return dial(address) == nil })
}

// dial fails unless somebody listens at an address.
func dial(address string) error {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return err
	}
	return c.Close()
}

func getJSON(ctx context.Context, url string, out any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	return json.NewDecoder(response.Body).Decode(out)
}
