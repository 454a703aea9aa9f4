package podidentity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	keysLife      = time.Hour        // after it the keys are read anew
	unknownWait   = 10 * time.Second // between two reads for unknown key ids, which anyone can invent
	failedWait    = time.Minute      // after a failure, while there are keys
	absentWait    = time.Second      // after a failure, while there are none
	fetchTimeout  = 10 * time.Second
	maxKeySetSize = 1 << 20 // bytes
	maxRedirects  = 3
)

// keySource holds the current keys and reads them anew. Requests share one read. They do not wait for it while the keys at hand
// serve them.
type keySource struct {
	file   string       // "" for a URL
	url    string       // "" for a file
	client *http.Client // for url
	now    func() time.Time
	log    *slog.Logger

	set atomic.Pointer[keySet] // nil before the first success

	mu      sync.Mutex // guards the fields below, so that one read runs at a time
	reading *keyRead   // in progress; nil otherwise
	began   time.Time  // of the last read
	failure error      // of the last read
	logged  time.Time  // the last line about a failure
}

// keyRead is a read that requests wait for. err is set before done is closed.
type keyRead struct {
	done chan struct{}
	err  error
}

// newKeySource checks the options and reads Document.
func newKeySource(opt JWKSOptions) (*keySource, error) {
	s := &keySource{now: opt.Now, log: opt.Log}
	if opt.Document != nil {
		set, err := parseKeySet(opt.Document)
		if err != nil {
			return nil, err
		}
		set.permanent = true
		s.set.Store(set)
		return s, nil
	}
	scheme, _, isURL := strings.Cut(opt.Source, "://")
	switch {
	case opt.Source == "":
		return nil, errors.New("pod_identity.jwks is empty; set it to a file or URL of the cluster's keys: kubectl get --raw /openid/v1/jwks")
	case !isURL:
		s.file = opt.Source
		return s, nil
	}
	if u, err := url.Parse(opt.Source); err != nil || u.Host == "" || (scheme != "http" && scheme != "https") {
		return nil, errors.New("pod_identity.jwks is not an http or https URL; correct it, or name a file")
	}
	s.url = opt.Source
	client := http.Client{}
	if opt.Client != nil {
		client = *opt.Client
	}
	client.CheckRedirect = checkRedirect
	s.client = &client
	return s, nil
}

// checkRedirect allows few redirects, and none from https to a server that is not authenticated.
func checkRedirect(r *http.Request, via []*http.Request) error {
	switch {
	case r.URL.Scheme != via[0].URL.Scheme:
		return errors.New("it redirects to another scheme")
	case len(via) > maxRedirects:
		return errors.New("it redirects too often")
	}
	return nil
}

// current returns the keys. It waits only while there are none.
func (s *keySource) current(ctx context.Context) (*keySet, error) {
	set := s.set.Load()
	if set == nil {
		if err := s.wait(ctx, absentWait); err != nil {
			return nil, err
		}
		return s.set.Load(), nil
	}
	s.refresh(set)
	return set, nil
}

// refresh begins to read the keys anew if they are old. It does not wait.
func (s *keySource) refresh(set *keySet) {
	now := s.now()
	if set.permanent || now.Sub(set.read) < keysLife {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reading == nil && now.Sub(s.began) >= failedWait {
		s.start(now)
	}
}

// generation is that of the current keys, which it keeps fresh as current does; 0 before there are any.
func (s *keySource) generation() uint64 {
	set := s.set.Load()
	if set == nil {
		return 0
	}
	s.refresh(set)
	return set.generation
}

// renewed returns keys that are newer than old, for a token whose key old lacks: old itself if it is recent. Its error says that
// it is not known whether the token is valid.
func (s *keySource) renewed(ctx context.Context, old *keySet) (*keySet, error) {
	if old.permanent {
		return old, nil
	}
	if err := s.wait(ctx, unknownWait); err != nil {
		return nil, err
	}
	return s.set.Load(), nil
}

// wait waits for the read in progress. Without one it starts one, or returns the outcome of the last one if that began less than
// pause ago.
func (s *keySource) wait(ctx context.Context, pause time.Duration) error {
	s.mu.Lock()
	if s.reading == nil {
		now := s.now()
		if !s.began.IsZero() && now.Sub(s.began) < pause {
			defer s.mu.Unlock()
			return s.failure
		}
		s.start(now)
	}
	reading := s.reading
	s.mu.Unlock()
	select {
	case <-reading.done:
		return reading.err
	case <-ctx.Done():
		return errNoWait
	}
}

// start begins a read, which no request can cancel: the next one needs it too. The caller holds mu.
func (s *keySource) start(now time.Time) {
	s.began = now
	s.reading = &keyRead{done: make(chan struct{})}
	go s.run(s.reading)
}

func (s *keySource) run(r *keyRead) {
	set, err := s.read()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if err != nil {
		if s.logged.IsZero() || now.Sub(s.logged) >= quiet {
			s.logged = now
			s.log.Warn("cannot refresh the token keys", "error", err, "kept", s.set.Load() != nil)
		}
	} else {
		set.read = now
		if old := s.set.Load(); old != nil {
			set.generation = old.generation
			if !reflect.DeepEqual(old.keys, set.keys) {
				set.generation++
			}
		}
		s.set.Store(set)
		if !s.logged.IsZero() {
			s.logged = time.Time{}
			s.log.Info("refreshed the token keys again")
		}
	}
	s.failure, s.reading = err, nil
	r.err = err
	close(r.done)
}

// read reads and parses the keys. It takes at most fetchTimeout.
func (s *keySource) read() (*keySet, error) {
	text, err := s.readText()
	if err != nil {
		return nil, err
	}
	return parseKeySet(text)
}

func (s *keySource) readText() ([]byte, error) {
	if s.file == "" {
		return s.fetch()
	}
	const fix = "name a file that the daemon's user can read"
	info, err := os.Stat(s.file) //nolint:gosec // the configuration names it, no request
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file") // a pipe would block
	}
	if err != nil {
		return nil, sourceError(fileError(s.file, err), fix)
	}
	f, err := os.Open(s.file) //nolint:gosec // the configuration names it, no request
	if err != nil {
		return nil, sourceError(fileError(s.file, err), fix)
	}
	defer func() { _ = f.Close() }()
	return readBounded(f)
}

// fileError names a file, without the system call of the error.
func fileError(file string, err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("%s: %w", file, err)
}

func (s *keySource) fetch() ([]byte, error) {
	const fix = "check the URL, and that this machine may get it without credentials; or save its answer and name that file"
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil) //nolint:gosec // the configuration names it, no request
	if err != nil {
		return nil, sourceError(errors.New("bad URL"), fix)
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := s.client.Do(req) //nolint:gosec // the configuration names it, no request
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the URL
		}
		return nil, sourceError(err, fix)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, sourceError(fmt.Errorf("status %d", resp.StatusCode), fix)
	}
	return readBounded(resp.Body)
}

func readBounded(from io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(from, maxKeySetSize+1))
	if err == nil && len(text) > maxKeySetSize {
		err = errors.New("more than 1 MiB")
	}
	if err != nil {
		return nil, sourceError(err, "check that it is a key set")
	}
	return text, nil
}
