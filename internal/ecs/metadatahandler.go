package ecs

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/web"
)

// MetadataSelector selects what requests of task metadata are answered from.
type MetadataSelector interface {
	// Select returns the Metadata of now, and who asks. nil: there is no task metadata, and the client gets 404. A *web.Error
	// decides the status. After any other error, such as a client that cannot be identified, the client gets 503.
	Select(r *http.Request) (*Metadata, Asker, error)
}

// NewMetadataHandler returns the handler of all paths of task metadata: below /v2/metadata, /v2/metadataWithTags, /v2/stats, /v3 and
// /v4. It allows any method, as the agent does.
func NewMetadataHandler(log *slog.Logger, s MetadataSelector) http.HandlerFunc {
	e := &metadataEndpoint{
		selector: s,
		refusals: &warner{log: log, message: "task metadata refused"},
		failures: &warner{log: log, message: "container engine gave no task metadata"},
	}
	adapter := &web.Adapter{Log: log, Render: renderMetadata, LogPath: LogPath}
	return adapter.Handle(e.answer)
}

type metadataEndpoint struct {
	selector           MetadataSelector
	refusals, failures *warner
}

// Texts of errors that the agent does not have.
const (
	unknownClient = "this client is not known yet; ask again"
	noEngine      = "the container engine did not tell about its containers; the log of mock-ec2-metadata says why"
)

// answer implements container-credentials-reference section 4.
func (e *metadataEndpoint) answer(w http.ResponseWriter, r *http.Request) error {
	delete(w.Header(), "Server") // the agent sends none
	end := time.Now().Add(caller.Wait)
	q, ok := parseMetadata(r.URL)
	if !ok {
		return &web.Error{Status: http.StatusNotFound}
	}
	m, by, err := e.selector.Select(r)
	if err != nil {
		if !isDecided(err) {
			e.refusals.warn(unidentified, "client", r.RemoteAddr, "reason", err.Error())
			return &web.Error{Status: http.StatusServiceUnavailable, Err: err}
		}
		return err
	}
	if m == nil {
		return &web.Error{Status: http.StatusNotFound}
	}
	if !m.limiter.allow(r) {
		writeTooMany(w)
		return nil
	}
	ctx, cancel := context.WithDeadline(r.Context(), end)
	defer cancel()
	var status int
	var document any
	if q.version == 2 {
		status, document, err = m.answerV2(ctx, q, by, web.Remote(r).String())
	} else {
		status, document, err = m.answer(ctx, q, by)
	}
	if err != nil {
		if r.Context().Err() == nil { // else the client has gone
			e.failures.warn("engine", "client", r.RemoteAddr, "error", err)
		}
		status, document = http.StatusInternalServerError, noEngine
	}
	writeJSON(w, status, document)
	return nil
}

// answer answers a request of version 3 or 4. Its error says why the engine cannot be asked.
func (m *Metadata) answer(ctx context.Context, q metadataQuery, by Asker) (status int, document any, err error) {
	s, ok := m.byEndpoint(q.id, by)
	if !ok {
		status, text := q.unknown()
		return status, text, nil
	}
	switch {
	case q.stats && q.task:
		document, err = m.taskStats(ctx, q.version, s)
		return http.StatusOK, document, err
	case q.stats:
		id, figures, err := m.containerStats(ctx, q.version, s)
		return q.figures(id, figures, err)
	case q.task:
		t, err := m.taskOf(ctx, s, q.tags)
		if t == nil {
			status, text := q.unknown()
			return status, text, err
		}
		return http.StatusOK, t.form(q.version), err
	default:
		c, err := m.containerOf(ctx, s)
		if c == nil {
			status, text := q.unknown()
			return status, text, err
		}
		return http.StatusOK, c.form(q.version), err
	}
}

// answerV2 answers a request of version 2 from a client at an address. Its error says why the engine cannot be asked.
func (m *Metadata) answerV2(ctx context.Context, q metadataQuery, by Asker, address string) (status int, document any, err error) {
	asker := askerOf(m.running(), by)
	switch {
	case asker == nil && by.Local && !q.task:
		return m.anyContainer(ctx, q)
	case asker == nil:
		return http.StatusBadRequest, "Unable to get task arn from request: unable to associate '" + address + "' with task", nil
	case q.task && q.stats:
		document, err = m.taskStats(ctx, q.version, subject{container: asker})
		return http.StatusOK, document, err
	case q.task:
		t, err := m.taskOf(ctx, subject{container: asker}, q.tags)
		if t == nil {
			return http.StatusBadRequest, "Unable to generate metadata for task: '" + m.task.arn("container", asker.ID) + "'", err
		}
		return http.StatusOK, t.form(q.version), err
	}
	arn, c, err := m.inTask(ctx, asker, q.id)
	return m.containerV2(ctx, q, arn, c, err)
}

// anyContainer answers this machine itself, which may ask for any container.
func (m *Metadata) anyContainer(ctx context.Context, q metadataQuery) (status int, document any, err error) {
	for i := range m.fixed {
		switch {
		case m.fixed[i].DockerID != q.id:
		case q.stats:
			return q.figures(q.id, nil, nil)
		default:
			d := m.task.fixed(m.fixed[i].arn, m.fixed[i].Fixed)
			return http.StatusOK, d.form(q.version), nil
		}
	}
	if m.engine == nil || !isDockerID(q.id) {
		return m.containerV2(ctx, q, "", nil, nil)
	}
	c, err := m.engine.Container(ctx, q.id)
	if c == nil || err != nil {
		return m.containerV2(ctx, q, "", nil, err)
	}
	return m.containerV2(ctx, q, m.arnOf(c), c, nil)
}

// containerV2 answers with a container of a task; c is nil if there is none.
func (m *Metadata) containerV2(ctx context.Context, q metadataQuery, arn string, c *caller.Container, err error) (int, any, error) {
	switch {
	case err != nil:
		return 0, nil, err
	case q.stats && c == nil:
		return q.figures(q.id, nil, nil)
	case q.stats:
		figures, err := m.statsOf(ctx, q.version, c.ID)
		return q.figures(c.ID, figures, err)
	case c == nil:
		return http.StatusBadRequest, "Unable to generate metadata for container '" + q.id + "'", nil
	default:
		d := m.task.container(arn, c)
		return http.StatusOK, d.form(q.version), nil
	}
}

// unknown is the answer to an endpoint id that is not known.
func (q metadataQuery) unknown() (status int, text string) {
	what, because := "container metadata", "unable to get container ID from request: unable to get docker ID"
	if q.task || q.stats {
		because = "unable to get task arn from request: unable to get task Arn"
	}
	switch {
	case q.task && q.stats:
		what = "task stats"
	case q.task:
		what = "task metadata"
	case q.stats:
		what = "container stats"
	}
	switch {
	case q.version == 4:
		status = http.StatusNotFound
	case q.stats:
		status = http.StatusBadRequest
	default:
		status = http.StatusInternalServerError
	}
	return status, fmt.Sprintf("V%d %s handler: %s from v3 endpoint ID: %s", q.version, what, because, q.id)
}

// figures is the answer with the figures of a container. Without any it is the error of the agent.
func (q metadataQuery) figures(id string, figures json.RawMessage, err error) (int, any, error) {
	switch {
	case figures != nil || err != nil:
		return http.StatusOK, figures, err
	case q.version == 4:
		return http.StatusInternalServerError, "Unable to get container stats for: " + id, nil
	default:
		return http.StatusBadRequest, "Unable to get container stats for: " + id, nil
	}
}

// isDockerID reports whether a text is the full id of an engine's container.
func isDockerID(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(text) == 64
}

// writeJSON writes a document, or the text of an error as a JSON string.
func writeJSON(w http.ResponseWriter, status int, document any) {
	a := newAnswer(status, document)
	a.write(w)
}

// renderMetadata writes an error that has no text of its own.
func renderMetadata(w http.ResponseWriter, _ *http.Request, e *web.Error) {
	switch e.Status {
	case http.StatusNotFound:
		writePage(w, e.Status, "404 page not found")
	case http.StatusServiceUnavailable:
		writeJSON(w, e.Status, unknownClient)
	case http.StatusInternalServerError:
		writeJSON(w, e.Status, "Internal server error")
	default:
		writePage(w, e.Status, http.StatusText(e.Status))
	}
}
