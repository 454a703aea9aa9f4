package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	shared "mock-ec2-metadata/test/bench"
)

const (
	coldClients       = 100
	containerSTSDelay = 20 * time.Millisecond
	wantedOfPeer      = 50 // requests a second, of ecs-local's
)

// containersWithSTS has clients ask for credentials that come from a fake STS: at first all at once, when nothing is cached, then
// without a pause.
func (b *bench) containersWithSTS(ctx context.Context) error {
	w, err := b.newWorld(shared.Crowd{})
	if err != nil {
		return err
	}
	defer w.close()
	w.sts.AddRole(shared.RoleARN(shared.ContainerRole))
	w.sts.Delay(containerSTSDelay)
	d, err := b.serveContainers(ctx, w.env, w.profile)
	if err != nil {
		return err
	}
	defer d.stop()
	ours, err := w.askCold(ctx, d.container, d.pod)
	if err != nil {
		return err
	}
	if b.peer == "" {
		b.rows = append(b.rows, coldContainersRow(ours, nil))
		return nil
	}
	peer, err := b.servePeer(ctx, w)
	if err != nil {
		return err
	}
	defer func() { _ = peer.server.stop() }()
	theirs, err := w.askCold(ctx, peer)
	if err != nil {
		return fmt.Errorf("ecs-local: %w", err)
	}
	b.rows = append(b.rows, coldContainersRow(ours, theirs))
	for _, connections := range b.connections {
		loads, err := b.sample(ctx, connections, []target{d.container, peer})
		if err != nil {
			return err
		}
		b.rows = append(b.rows, ofPeer(d.container.asked, connections, loads[0], loads[1]))
	}
	return nil
}

// servePeer starts ecs-local with a user of the fake STS. It is asked by the ARN of the role: by the name it would ask IAM, too. It
// listens at all addresses, for it cannot do otherwise.
func (b *bench) servePeer(ctx context.Context, w *world) (target, error) {
	addr, err := freeAddress()
	if err != nil {
		return target{}, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return target{}, err
	}
	key := w.sts.AddUser("ecs-local")
	asked := shared.Case{What: "`GET /role-arn/<arn>`", Method: http.MethodGet, Path: "/role-arn/" + shared.RoleARN(shared.ContainerRole)}
	s, err := b.begin(ctx, &server{addr: addr, ready: asked.Path}, []string{
		"ECS_LOCAL_METADATA_PORT=" + port, "STS_ENDPOINT=" + w.sts.URL(), "IAM_ENDPOINT=" + w.sts.URL(), "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=" + key.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + key.SecretAccessKey, "AWS_EC2_METADATA_DISABLED=true",
	}, b.serverCPUs, []string{b.peer})
	return target{s, asked}, err
}

// cold is what it took until all clients had credentials that were not cached.
type cold struct {
	calls int // of STS
	last  time.Duration
}

// askCold has coldClients ask at once, each over a connection of its own and by turns what targets say, until they have credentials.
func (w *world) askCold(ctx context.Context, targets ...target) (*cold, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	before := w.sts.Calls(assumeRole)
	errs, waited := make([]error, coldClients), make([]time.Duration, coldClients)
	start := make(chan struct{})
	var asking sync.WaitGroup
	for i := range coldClients {
		asking.Go(func() {
			<-start
			began := time.Now()
			errs[i] = w.askContainer(ctx, targets[i%len(targets)])
			waited[i] = time.Since(began)
		})
	}
	close(start)
	asking.Wait()
	c := &cold{calls: w.sts.Calls(assumeRole) - before}
	for _, d := range waited {
		c.last = max(c.last, d)
	}
	return c, errors.Join(errs...)
}

// askContainer asks as an SDK does: a second after each answer that is to be retried, again.
func (w *world) askContainer(ctx context.Context, t target) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	for {
		answer, err := t.asked.Ask(client, t.server.url(), "")
		if err != nil || answer.Status < http.StatusInternalServerError {
			return errors.Join(err, w.checkContainer(answer))
		}
		if err := wait(ctx, time.Second); err != nil {
			return fmt.Errorf("%s: the last answer is %d %.100q: %w", t.asked.What, answer.Status, answer.Body, err)
		}
	}
}

// checkContainer returns an error unless an answer has credentials that STS has issued for the role.
func (w *world) checkContainer(a *shared.Answer) error {
	if a == nil {
		return nil
	}
	var d struct{ AccessKeyID string }
	err := json.Unmarshal(a.Body, &d)
	if of, want := w.sts.Principal(d.AccessKeyID), shared.RoleARN(shared.ContainerRole); err != nil || a.Status != http.StatusOK || of != want {
		return fmt.Errorf("wrong answer: %d with credentials of %q, not of %s", a.Status, of, want)
	}
	return nil
}

// coldContainersRow makes the row of cold clients; theirs is nil without an ecs-local.
func coldContainersRow(ours, theirs *cold) row {
	detail := fmt.Sprintf("half of them containers, half pods; the last has credentials after %.0f ms", milliseconds(ours.last))
	if theirs != nil {
		detail += fmt.Sprintf("; ecs-local, containers only: %d calls, %.0f ms", theirs.calls, milliseconds(theirs.last))
	}
	return row{
		fmt.Sprintf("%d cold clients of one role, STS takes %d ms: calls of STS", coldClients, containerSTSDelay.Milliseconds()),
		"1", fmt.Sprint(ours.calls), verdict(ours.calls == 1), detail,
	}
}

// ofPeer makes the row that compares the daemon with ecs-local.
func ofPeer(c shared.Case, connections int, ours, theirs []load) row {
	rates := ratios(ours, theirs, load.rate)
	return atLeast(fmt.Sprintf("%s, %d connections, STS takes %d ms: requests a second, of ecs-local's", c.What, connections, containerSTSDelay.Milliseconds()),
		"%.0f", wantedOfPeer, median(rates), fmt.Sprintf("%s; %s, ecs-local %s; %.1f µs of processor time a request, ecs-local %.1f µs; p99 %.1f ms and %.1f ms",
			spread("%.0f", rates), thousands(medianOf(ours, load.rate)), thousands(medianOf(theirs, load.rate)),
			medianOf(ours, load.microseconds), medianOf(theirs, load.microseconds),
			medianOf(ours, load.p99Milliseconds), medianOf(theirs, load.p99Milliseconds)))
}
