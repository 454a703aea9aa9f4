//go:build linux

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"mock-ec2-metadata/test/kube/kubetest"
)

// podsAtOnce start together. Each asks first thing.
const podsAtOnce = 100

// cluster is the one-node cluster of up.sh.
type cluster struct {
	*bench
	run, netns string
	aws        *aws
}

// cluster measures on a real node: the memory of idle programs, and the first requests of pods that start together.
func (b *bench) cluster(ctx context.Context) error {
	c := &cluster{bench: b, run: cmp.Or(os.Getenv("K8S_RUN"), filepath.Join(b.k8s, "run-bench")), netns: cmp.Or(os.Getenv("K8S_NETNS"), "mock-ec2-kube-bench")}
	if err := c.script(ctx, "up.sh"); err != nil {
		return err
	}
	defer func() { _ = c.script(context.WithoutCancel(ctx), "down.sh") }()
	var err error
	if c.aws, err = newAWS("/run/netns/"+c.netns, nodeIP, b.dir); err != nil {
		return err
	}
	defer c.aws.close()
	ours, err := c.measureOurs(ctx)
	if err != nil {
		return err
	}
	theirs := clusterFigures{idle: usage{resident: documented.idle}, bursts: []burst{{p50: documented.p50, most: documented.most}}}
	if b.peer != "" {
		if theirs, err = c.measurePeer(ctx); err != nil {
			return err
		}
	}
	b.rows = append(b.rows, clusterRows(ours, theirs, b.peer == "")...)
	return nil
}

// clusterFigures are those of one program.
type clusterFigures struct {
	idle   usage
	detail string
	bursts []burst
}

// burst is what 100 pods say that started together. Times are in ms.
type burst struct {
	failed    int
	p50, most float64
	firstSeen string // the first failure
}

func clusterRows(ours, theirs clusterFigures, known bool) []row {
	failed := func(f clusterFigures) (all []string, total int) {
		for _, b := range f.bursts {
			all, total = append(all, strconv.Itoa(b.failed)), total+b.failed
		}
		return all, total
	}
	of := func(f clusterFigures, figure func(burst) float64) float64 {
		var all []float64
		for _, b := range f.bursts {
			all = append(all, figure(b))
		}
		return median(all)
	}
	p50, most := func(b burst) float64 { return b.p50 }, func(b burst) float64 { return b.most }
	each, total := failed(ours)
	theirEach, _ := failed(theirs)
	detail := strings.Join(each, ", ") + " of 100; kube2iam " + strings.Join(theirEach, ", ")
	if known {
		detail = strings.Join(each, ", ") + " of 100; kube2iam 16, 26 (of another run)"
	}
	if i := slices.IndexFunc(ours.bursts, func(b burst) bool { return b.failed > 0 }); i >= 0 {
		detail += "; " + ours.bursts[i].firstSeen
	}
	idle := "ours: " + ours.detail
	if !known {
		idle += "; kube2iam: " + theirs.detail
	}
	return []row{
		comparison{what: "resident memory, idle in the cluster", format: "%.1f MB", limit: wantedIdle, ours: ours.idle.resident, theirs: theirs.idle.resident, documented: known, detail: idle}.row(),
		{fmt.Sprintf("%d pods at once: first requests that fail", podsAtOnce), "0", strconv.Itoa(total), verdict(total == 0), detail},
		comparison{what: "the same: p50", format: "%.0f ms", limit: wantedP50, ours: of(ours, p50), theirs: of(theirs, p50), documented: known}.row(),
		comparison{what: "the same: slowest", format: "%.0f ms", limit: wantedMax, ours: of(ours, most), theirs: of(theirs, most), documented: known}.row(),
	}
}

// measureOurs puts the daemon into the cluster as a user does, with credentials of the fake STS by the relay.
func (c *cluster) measureOurs(ctx context.Context) (f clusterFigures, err error) {
	env := append([]string{"KUBECONFIG=" + c.kubeconfig(), "CONTAINERD_ADDRESS=" + filepath.Join(c.run, "containerd.sock")}, c.aws.env...)
	env = append(env, "XDG_RUNTIME_DIR="+c.dir)
	file := filepath.Join(c.dir, "pods.yaml")
	if err := os.WriteFile(file, []byte(podsConfig), 0o600); err != nil {
		return f, err
	}
	up, err := start(ctx, "up", filepath.Join(c.dir, "up.log"), env, c.inside(c.kube, "up", "--yes", "--config", file)...)
	if err != nil {
		return f, err
	}
	defer func() {
		up.stop()
		down := exec.CommandContext(context.WithoutCancel(ctx), "nsenter", c.inside(c.kube, "down", "--yes")[1:]...)
		down.Env = append(env, "PATH="+os.Getenv("PATH"))
		if out, downErr := down.CombinedOutput(); downErr != nil {
			err = errors.Join(err, fmt.Errorf("down: %w\n%s", downErr, out))
		}
	}()
	err = up.await(ctx, 2*time.Minute, func() bool {
		out, err := exec.CommandContext(ctx, "nsenter", c.inside("busybox", "wget", "-q", "-O", "-", "http://"+local+"/status")[1:]...).Output()
		return err == nil && strings.Contains(string(out), `"connected": true`)
	})
	if err != nil {
		return f, err
	}
	if err := c.rest(ctx); err != nil {
		return f, err
	}
	if f.idle, f.detail, err = c.daemonUsage(); err != nil {
		return f, err
	}
	f.bursts, err = c.bursts(ctx)
	return f, err
}

// measurePeer runs kube2iam at the node, and gives it the address that pods ask: it needs no rule of the packet filter then.
func (c *cluster) measurePeer(ctx context.Context) (f clusterFigures, err error) {
	if err := command(ctx, "ip", "-n", c.netns, "address", "add", "169.254.169.254/32", "dev", "node0"); err != nil {
		return f, err
	}
	p, err := start(ctx, "kube2iam", filepath.Join(c.dir, "kube2iam.log"), c.aws.env, c.inside(peerCommand(c.peer, c.kubeconfig(), "80")...)...)
	if err != nil {
		return f, err
	}
	defer p.stop()
	err = p.await(ctx, time.Minute, func() bool {
		return kubetest.Within("/run/netns/"+c.netns, func() error { return dial("169.254.169.254:80") }) == nil
	})
	if err != nil {
		return f, err
	}
	if err := c.rest(ctx); err != nil {
		return f, err
	}
	if f.idle, err = p.usage(); err != nil {
		return f, err
	}
	f.detail = f.idle.String()
	f.bursts, err = c.bursts(ctx)
	return f, err
}

// rest waits until programs have given back what only their start needed.
func (c *cluster) rest(ctx context.Context) error {
	rest := 15 * time.Second
	if c.short {
		rest = 3 * time.Second
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(rest):
		return nil
	}
}

// daemonUsage is what the daemon's pod takes. The relay, which is there while a laptop is, is told apart.
func (c *cluster) daemonUsage() (usage, string, error) {
	var pids, relays []int
	own, err := os.Stat("/run/netns/" + c.netns)
	if err != nil {
		return usage{}, "", err
	}
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		text, err := os.ReadFile(file)
		args := strings.Split(string(text), "\x00")
		if err != nil || args[0] != "/mock-ec2-metadata-kube" {
			continue
		}
		ns, err := os.Stat(filepath.Join(filepath.Dir(file), "ns", "net"))
		if err != nil || !os.SameFile(own, ns) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		switch {
		case slices.Contains(args, "healthcheck"):
		case slices.Contains(args[1:], "relay"):
			relays = append(relays, pid)
		default:
			pids = append(pids, pid)
		}
	}
	all, err := usageOf(pids)
	if err != nil {
		return usage{}, "", err
	}
	detail := all.String()
	if relay, err := usageOf(relays); err == nil {
		detail += fmt.Sprintf("; while a laptop is connected, its end takes %.1f MB more", relay.resident)
	}
	return all, detail, nil
}

// bursts starts 100 pods together, and again.
func (c *cluster) bursts(ctx context.Context) ([]burst, error) {
	times := 2
	if c.short {
		times = 1
	}
	var all []burst
	for i := range times {
		got, err := c.burst(ctx, fmt.Sprintf("burst-%d-%d", i, time.Now().Unix()))
		if err != nil {
			return nil, err
		}
		all = append(all, got)
	}
	return all, nil
}

func (c *cluster) burst(ctx context.Context, namespace string) (burst, error) {
	answers := filepath.Join(c.dir, namespace)
	if err := os.Mkdir(answers, 0o700); err != nil {
		return burst{}, err
	}
	if err := c.kubectl(ctx, "", "create", "namespace", namespace); err != nil {
		return burst{}, err
	}
	defer func() { _ = c.kubectl(context.WithoutCancel(ctx), "", "delete", "namespace", namespace) }()
	var objects strings.Builder
	for i := range podsAtOnce {
		fmt.Fprintf(&objects, askingPod, fmt.Sprintf("pod-%03d", i), namespace, nodeName, c.self, metadata+rolePath, filepath.Dir(c.self), answers)
	}
	time.Sleep(2 * time.Second) // the controller makes the namespace's service account
	if err := c.kubectl(ctx, objects.String(), "create", "-f", "-"); err != nil {
		return burst{}, err
	}
	for end := time.Now().Add(4 * time.Minute); ; {
		files, _ := filepath.Glob(filepath.Join(answers, "pod-???"))
		if len(files) == podsAtOnce {
			return readBurst(files)
		}
		if time.Now().After(end) {
			return burst{}, fmt.Errorf("only %d of %d pods have asked", len(files), podsAtOnce)
		}
		select {
		case <-ctx.Done():
			return burst{}, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// askingPod is a pod that asks once and ends: its name, namespace and node, this program, what to ask, and folders of the node.
const askingPod = `---
apiVersion: v1
kind: Pod
metadata: {name: %[1]s, namespace: %[2]s, annotations: {"` + annotation + `": ` + roleName + `}}
spec:
  nodeName: %[3]s
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: localhost/busybox:1
    imagePullPolicy: Never
    command: ["%[4]s", ` + clientWord + `, "%[5]s", "%[7]s/%[1]s"]
    volumeMounts: [{name: program, mountPath: "%[6]s", readOnly: true}, {name: answers, mountPath: "%[7]s"}]
  volumes: [{name: program, hostPath: {path: "%[6]s"}}, {name: answers, hostPath: {path: "%[7]s"}}]
`

func readBurst(files []string) (burst, error) {
	var b burst
	var times []float64
	for _, file := range files {
		var a answer
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &a)
		}
		if err != nil {
			return b, err
		}
		times = append(times, a.Milliseconds)
		if !a.Good {
			if b.failed++; b.failed == 1 {
				b.firstSeen = fmt.Sprintf("status %d %.100q", a.Status, a.Error)
			}
		}
	}
	b.p50, b.most = median(times), slices.Max(times)
	return b, nil
}

func (c *cluster) kubeconfig() string { return filepath.Join(c.run, "admin.conf") }

// inside is a command of this machine in the cluster's network namespace.
func (c *cluster) inside(args ...string) []string {
	return append([]string{"nsenter", "--net=/run/netns/" + c.netns}, args...)
}

func (c *cluster) kubectl(ctx context.Context, stdin string, args ...string) error {
	all := c.inside(append([]string{filepath.Join(c.k8s, "bin", "kubectl"), "--kubeconfig", c.kubeconfig()}, args...)...)
	cmd := exec.CommandContext(ctx, all[0], all[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// script runs a script of test/kube on this cluster.
func (c *cluster) script(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(c.scripts, name))
	cmd.Env = append(os.Environ(), "K8S_DIR="+c.k8s, "K8S_RUN="+c.run, "K8S_NETNS="+c.netns)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}
