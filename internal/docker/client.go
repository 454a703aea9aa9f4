package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"time"
)

const (
	// listTimeout bounds a request that lists, and the time until the header of any answer.
	listTimeout = 5 * time.Second
	// inspectTimeout bounds a request for one container. Docker does not answer while it is busy with that container.
	inspectTimeout = 2 * time.Second
	maxInspects    = 8 // in flight

	// Limits of documents, in bytes. A container with many labels has a hundred kilobytes at most.
	maxListBytes  = 64 << 20
	maxOneBytes   = 16 << 20 // one container or event
	maxErrorBytes = 4 << 10
)

// client asks one engine. It is not net/http's, but uses it.
//
// It is not the engine's official Go client, which since version 29 fails as a whole on one address that it cannot parse.
type client struct {
	path      string // of the socket
	http      *http.Client
	slots     chan struct{} // has an element for each inspect in flight
	asks      chan struct{} // likewise for each request of a question
	statsAsks chan struct{} // likewise for each of statistics
}

func newClient(path string, dial func(context.Context) (net.Conn, error)) *client {
	return &client{
		path: path,
		http: &http.Client{
			Transport: &http.Transport{
				DialContext:           func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
				MaxIdleConnsPerHost:   maxInspects + maxAsks + maxStats,
				IdleConnTimeout:       30 * time.Second,
				ResponseHeaderTimeout: listTimeout,
				DisableCompression:    true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		slots:     make(chan struct{}, maxInspects),
		asks:      make(chan struct{}, maxAsks),
		statsAsks: make(chan struct{}, maxStats),
	}
}

// api is a client with the version of the API that the engine prefers. It is made anew for each connection, since an engine
// may have been upgraded in between.
type api struct {
	*client
	prefix string // such as /v1.44
}

var versionFormat = regexp.MustCompile(`^[0-9]{1,3}\.[0-9]{1,3}$`)

// connect asks the engine for its version.
func (c *client) connect(ctx context.Context) (*api, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	a := &api{client: c}
	resp, err := a.open(ctx, "/_ping")
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if v := resp.Header.Get("Api-Version"); versionFormat.MatchString(v) {
		a.prefix = "/v" + v
	}
	return a, nil
}

// ping fails if the engine does not answer in time. It asks the same path as connect, which filtering proxies permit.
func (c *client) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	resp, err := (&api{client: c}).open(ctx, "/_ping")
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// open sends a GET. The caller must close the body of the response, whose status is 200.
func (a *api) open(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+a.prefix+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	refused := &statusError{request: "GET " + req.URL.Path, code: resp.StatusCode}
	var said struct{ Message string }
	if json.NewDecoder(io.LimitReader(resp.Body, maxErrorBytes)).Decode(&said) == nil && said.Message != "" {
		refused.message = printable(said.Message, 2*maxQuoted)
	}
	return nil, refused
}

// get decodes a document of at most limit bytes.
func (a *api) get(ctx context.Context, path string, timeout time.Duration, limit int64, document any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp, err := a.open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(&budget{r: resp.Body, left: limit}).Decode(document); err != nil {
		return fmt.Errorf("GET %s: %w", resp.Request.URL.Path, err)
	}
	return nil
}

// events subscribes, and then calls each until the stream ends, which is always an error. It calls ready in between: later
// events are not lost.
func (a *api) events(ctx context.Context, ready func(), each func(change)) error {
	filters, err := json.Marshal(map[string]any{"type": [...]string{"container", "network"}, "event": eventNames})
	if err != nil {
		return err
	}
	resp, err := a.open(ctx, "/events?filters="+url.QueryEscape(string(filters)))
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	ready()
	body := &budget{r: resp.Body}
	for decoder := json.NewDecoder(body); ; {
		body.left = maxOneBytes
		var e wireEvent
		if err := decoder.Decode(&e); err != nil {
			return fmt.Errorf("GET %s: %w", resp.Request.URL.Path, err)
		}
		if c := e.change(); c.action != ignored {
			each(c)
		}
	}
}

// networks are those of the engine.
func (a *api) networks(ctx context.Context) (networks, error) {
	var list []wireNetwork
	if err := a.get(ctx, "/networks", listTimeout, maxListBytes, &list); err != nil {
		return networks{}, err
	}
	return parseNetworks(list), nil
}

// idFormat has no bound of its own: one of 127 repetitions would cost every start 120 kB and 0.5 ms.
var idFormat = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z_.-]*$`)

const maxID = 128

// isID says whether the engine may be asked about a container of this id or name.
func isID(id string) bool { return len(id) <= maxID && idFormat.MatchString(id) }

// container returns nil if no such container runs.
func (a *api) container(ctx context.Context, id string, roles []roleSource) (*container, error) {
	if !isID(id) {
		return nil, fmt.Errorf("container %s: not an id", printable(id, maxQuoted))
	}
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var d wireInspect
	err := a.get(ctx, "/containers/"+id+"/json", inspectTimeout, maxOneBytes, &d)
	if refused := (*statusError)(nil); errors.As(err, &refused) && refused.code == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d.ID = id
	return d.container(roles), nil
}

// running lists the containers that run, and inspects them: all if anew, else those that known does not have with the
// addresses of the list. One that cannot be inspected is in failed. It stays what known says, since the labels and variables
// of a container never change, unless it has other addresses now.
func (a *api) running(ctx context.Context, known map[string]*container, anew bool, roles []roleSource) (found []*container, failed map[string]error, err error) {
	var list []wireSummary
	const filters = `{"status":["running","paused"]}`
	if err := a.get(ctx, "/containers/json?filters="+url.QueryEscape(filters), listTimeout, maxListBytes, &list); err != nil {
		return nil, nil, err
	}
	found, errs := make([]*container, len(list)), make([]error, len(list))
	var wg sync.WaitGroup
	for i, summary := range list {
		same := known[summary.ID]
		if same != nil && !slices.Equal(same.shown, addresses(summary.NetworkSettings.endpoints())) {
			same = nil
		}
		if found[i] = same; same != nil && !anew {
			continue
		}
		wg.Go(func() {
			c, err := a.container(ctx, summary.ID, roles)
			if errs[i] = err; err == nil {
				found[i] = c
			}
		})
	}
	wg.Wait()
	failed = map[string]error{}
	for i, err := range errs {
		if err != nil {
			failed[list[i].ID] = err
		}
	}
	found = slices.DeleteFunc(found, func(c *container) bool { return c == nil })
	return found, failed, ctx.Err()
}

// budget is a reader that fails once it has read more than left bytes.
type budget struct {
	r    io.Reader
	left int64
}

var errTooLong = errors.New("the document is too long")

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
