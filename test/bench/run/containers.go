package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"

	shared "mock-ec2-metadata/test/bench"
)

// Limits of what containers of ECS and pods of EKS ask, as wantedPerCPU.
const (
	wantedContainer = 0.90
	wantedPod       = 0.85
)

// containers measures what containers of ECS and pods of EKS ask: cached credentials beside the bare server, then cold ones. If
// there is an ecs-local, it is asked, too.
func (b *bench) containers(ctx context.Context) error {
	if err := b.containerRequests(ctx); err != nil {
		return err
	}
	return b.containersWithSTS(ctx)
}

// containerDaemon is a daemon with a role for containers and pods, and what these ask it. Pods ask at a port of their own.
type containerDaemon struct{ container, pod target }

func (d *containerDaemon) stop() { _ = d.container.server.stop() }

// containerRequests compares the daemon with the bare server. An older build may not know the configuration.
func (b *bench) containerRequests(ctx context.Context) error {
	d, err := b.serveContainers(ctx, nil, "mock: true")
	if err != nil {
		return err
	}
	defer d.stop()
	for _, m := range []struct {
		target
		wanted float64
	}{{d.container, wantedContainer}, {d.pod, wantedPod}} {
		answer, err := m.asked.Ask(http.DefaultClient, m.server.url(), "")
		if err != nil {
			return err
		}
		if err := checkDocument(answer); err != nil {
			return fmt.Errorf("%s: %w", m.asked.What, err)
		}
		if _, err := b.compare(ctx, m.asked, m.wanted, []*server{m.server}); err != nil {
			return fmt.Errorf("%s: %w", m.asked.What, err)
		}
	}
	return nil
}

// serveContainers starts a daemon and waits until it is idle. base holds the keys of credentials.
func (b *bench) serveContainers(ctx context.Context, env []string, base string) (*containerDaemon, error) {
	podAddr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	name := "containers-" + strconv.Itoa(b.launched)
	file, err := b.configFile(name, shared.ContainerConfig(base, filepath.Join(b.dir, name), podAddr))
	if err != nil {
		return nil, err
	}
	s, err := b.launchWith(ctx, env, b.serverCPUs, b.daemon, "--config", file)
	if err != nil {
		return nil, err
	}
	d, err := b.askedBy(ctx, s, podAddr, file)
	if err != nil {
		_ = s.stop()
		return nil, err
	}
	return d, nil
}

// askedBy gets what a container and a pod need: the id of the role, and a token.
func (b *bench) askedBy(ctx context.Context, s *server, podAddr, file string) (*containerDaemon, error) {
	if err := settle(ctx); err != nil {
		return nil, err
	}
	id, err := idOf(s, shared.ContainerRole)
	if err != nil {
		return nil, err
	}
	sign := exec.CommandContext(ctx, b.daemon, "token", "--config", file, "--namespace", shared.Namespace, "--service-account", shared.ServiceAccount)
	sign.Env = s.cmd.Env
	token, err := sign.Output()
	if err != nil {
		return nil, fmt.Errorf("token: %w\n%s", err, stderrOf(err))
	}
	container, pod := shared.ContainerCases(id, string(token))
	ofPods := *s
	ofPods.addr = podAddr
	return &containerDaemon{target{s, container}, target{&ofPods, pod}}, nil
}

// idOf returns the id of a role's credentials, from the status.
func idOf(s *server, role string) (string, error) {
	answer, err := shared.Case{Method: http.MethodGet, Path: "/status"}.Ask(http.DefaultClient, s.url(), "")
	if err != nil {
		return "", err
	}
	var status struct {
		Identities []struct {
			Role string
			ID   string `json:"credentials_id"`
		}
	}
	if err := json.Unmarshal(answer.Body, &status); err != nil {
		return "", fmt.Errorf("/status: %w", err)
	}
	for _, identity := range status.Identities {
		if identity.Role == role && identity.ID != "" {
			return identity.ID, nil
		}
	}
	return "", fmt.Errorf("/status has no id of the role %s", role)
}

// checkDocument returns an error unless an answer has credentials of the role: that of a container names it, and that of a pod its
// account.
func checkDocument(a *shared.Answer) error {
	var d struct{ RoleARN, AccountID, AccessKeyID, SecretAccessKey, Token, Expiration string }
	err := json.Unmarshal(a.Body, &d)
	isRole := d.RoleARN == shared.RoleARN(shared.ContainerRole) || d.RoleARN == "" && d.AccountID == shared.Account
	if err != nil || a.Status != http.StatusOK || !isRole || d.AccessKeyID == "" || d.SecretAccessKey == "" || d.Token == "" || d.Expiration == "" {
		return fmt.Errorf("wrong answer: %d with %d bytes, which are no credentials of %s", a.Status, len(a.Body), shared.RoleARN(shared.ContainerRole))
	}
	return nil
}
