package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	shared "mock-ec2-metadata/test/bench"
	"mock-ec2-metadata/test/stsfake"
)

const assumeRole = "AssumeRole"

// world is a fake STS with the roles of a crowd, and a profile that may assume them.
type world struct {
	crowd   shared.Crowd
	sts     *stsfake.Server
	env     []string // for daemons
	profile string   // keys of credentials
}

// newWorld serves a fake STS until close.
func (b *bench) newWorld(crowd shared.Crowd) (*world, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &world{crowd: crowd, sts: stsfake.New(), profile: "source_profile: bench"}
	w.sts.AddRole(shared.RoleARN(shared.Role))
	for i := range crowd.Roles {
		w.sts.AddRole(shared.RoleARN(crowd.RoleName(i)))
	}
	key := w.sts.AddUser("bench")
	file := filepath.Join(b.dir, "credentials")
	profile := fmt.Sprintf("[bench]\naws_access_key_id = %s\naws_secret_access_key = %s\n", key.AccessKeyID, key.SecretAccessKey)
	if err := os.WriteFile(file, []byte(profile), 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	w.env = []string{"AWS_ENDPOINT_URL_STS=" + stsfake.URL(listener.Addr()), "AWS_SHARED_CREDENTIALS_FILE=" + file}
	go func() { _ = w.sts.Serve(listener) }() // its end is close's
	return w, nil
}

func (w *world) close() { _ = w.sts.Close() }

// serve starts a program with the configuration of a crowd, which is w's or none, and waits until it is idle.
func (b *bench) serve(ctx context.Context, w *world, program string, crowd shared.Crowd) (*server, error) {
	file, err := b.configFile(fmt.Sprintf("crowd-%d", crowd.Clients), crowd.Config(w.profile))
	if err != nil {
		return nil, err
	}
	s, err := b.launchWith(ctx, w.env, "", program, "--config", file)
	if err != nil {
		return nil, err
	}
	if err := settle(ctx); err != nil {
		_ = s.stop()
		return nil, err
	}
	return s, nil
}

// check returns an error unless the last answer of a client has credentials of its own role.
func (w *world) check(c *client, status int) error {
	if of, want := w.sts.Principal(keyOf(c.body)), shared.RoleARN(c.member.Role); status != http.StatusOK || of != want {
		return fmt.Errorf("wrong answer: %s of %s got %d with credentials of %q", c.member.Address, want, status, of)
	}
	return nil
}

// askAll has clients first to last-1 of the crowd ask once, 32 at a time, each until it gets its credentials.
func (w *world) askAll(ctx context.Context, s *server, first, last int) error {
	const parallel = 32
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	next := make(chan int)
	var asking sync.WaitGroup
	errs := make(chan error, parallel)
	for range parallel {
		asking.Go(func() {
			for i := range next {
				if _, err := w.askUntilGot(ctx, s, w.crowd.Member(i)); err != nil {
					errs <- err
					cancel()
					return
				}
			}
		})
	}
	for i := first; i < last && ctx.Err() == nil; i++ {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	asking.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return err
	}
	return ctx.Err()
}

// askUntilGot asks as an SDK does: a second after each answer that is to be retried, again. refused counts these.
func (w *world) askUntilGot(ctx context.Context, s *server, m shared.Member) (refused int, err error) {
	c, err := dial(ctx, s.addr, m)
	if err != nil {
		return 0, err
	}
	defer c.close()
	for {
		status, err := c.ask()
		switch {
		case err != nil:
			return refused, fmt.Errorf("%s: %w", m.Address, err)
		case status == http.StatusOK:
			return refused, w.check(c, status)
		case status < http.StatusInternalServerError:
			return refused, fmt.Errorf("%s: %d %.100q", m.Address, status, c.body)
		}
		refused++
		select {
		case <-ctx.Done():
			return refused, fmt.Errorf("%s: the last of %d answers is %d %.100q", m.Address, refused, status, c.body)
		case <-time.After(time.Second):
		}
	}
}
