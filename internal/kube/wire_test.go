package kube

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
)

// metaVersion is the group of PartialObjectMetadata.
var metaVersion = schema.GroupVersion{Group: "meta.k8s.io", Version: "v1"}

func wantsMetadata(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("Accept"), ",")
	return strings.Contains(first, "as=PartialObjectMetadata")
}

func metadataOf(o runtime.Object) *metav1.PartialObjectMetadata {
	m, _ := meta.Accessor(o)
	return meta.AsPartialObjectMetadata(m)
}

// media is what the request accepts first, of what the server speaks.
func (f *fakeAPI) media(r *http.Request) (serializer.CodecFactory, runtime.SerializerInfo) {
	codecs := serializer.NewCodecFactory(newScheme())
	want := protobuf
	if f.onlyJSON || !strings.HasPrefix(r.Header.Get("Accept"), protobuf) {
		want = runtime.ContentTypeJSON
	}
	info, _ := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), want)
	return codecs, info
}

// encode returns an object's bytes, as the request wants them.
func (f *fakeAPI) encode(r *http.Request, o runtime.Object) ([]byte, string) {
	codecs, info := f.media(r)
	o = o.DeepCopyObject() // the codec sets its kind
	version := corev1.SchemeGroupVersion
	switch o.(type) {
	case *metav1.Status:
	case *metav1.PartialObjectMetadataList:
		version = metaVersion
	default:
		if wantsMetadata(r) {
			o, version = metadataOf(o), metaVersion
		}
	}
	data, err := runtime.Encode(codecs.EncoderForVersion(info.Serializer, version), o)
	if err != nil {
		panic(err)
	}
	return data, info.MediaType
}

func decode(r *http.Request, o runtime.Object) error {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	codecs := serializer.NewCodecFactory(newScheme())
	return runtime.DecodeInto(codecs.UniversalDeserializer(), data, o)
}

func (f *fakeAPI) send(w http.ResponseWriter, r *http.Request, status int, o runtime.Object) {
	data, mediaType := f.encode(r, o)
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_, _ = w.Write(data)
}

func (f *fakeAPI) fail(w http.ResponseWriter, r *http.Request, err *apierrors.StatusError) {
	status := err.ErrStatus
	f.send(w, r, int(status.Code), &status)
}

// eventWriter writes the frames of a watch.
type eventWriter struct {
	f      *fakeAPI
	w      http.ResponseWriter
	r      *http.Request
	stream *runtime.StreamSerializerInfo
}

func newEventWriter(f *fakeAPI, w http.ResponseWriter, r *http.Request) *eventWriter {
	_, info := f.media(r)
	mediaType := info.MediaType
	if mediaType == protobuf {
		mediaType += ";stream=watch"
	}
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	return &eventWriter{f: f, w: w, r: r, stream: info.StreamSerializer}
}

func (e *eventWriter) send(c change) {
	data, _ := e.f.encode(e.r, c.object)
	event := &metav1.WatchEvent{Type: string(c.event), Object: runtime.RawExtension{Raw: data}}
	var frame bytes.Buffer
	var body bytes.Buffer
	if err := e.stream.Encode(event, &body); err != nil {
		panic(err)
	}
	if _, err := e.stream.Framer.NewFrameWriter(&frame).Write(body.Bytes()); err != nil {
		panic(err)
	}
	sent := frame.Bytes()
	if c.cut {
		sent = sent[:len(sent)/2]
	}
	_, _ = e.w.Write(sent)
	e.w.(http.Flusher).Flush()
}

// memory is a RoundTripper that calls a handler, without a network, so that it works under testing/synctest.
type memory struct{ handler http.Handler }

func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	reader, writer := io.Pipe()
	w := &pipeWriter{header: http.Header{}, body: writer, started: make(chan struct{})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() {
			if recover() != nil {
				_ = writer.CloseWithError(io.ErrUnexpectedEOF)
				return
			}
			w.WriteHeader(http.StatusOK)
			_ = writer.Close()
		}()
		m.handler.ServeHTTP(w, r.WithContext(ctx))
	}()
	stop := context.AfterFunc(ctx, func() { _ = reader.CloseWithError(context.Canceled) })
	select {
	case <-w.started:
	case <-ended:
		select {
		case <-w.started:
		default:
			cancel()
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		}
	case <-r.Context().Done():
		cancel()
		return nil, r.Context().Err()
	}
	return &http.Response{
		StatusCode: w.status, Status: http.StatusText(w.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, ContentLength: -1, Request: r, Body: &pipeBody{reader, func() { stop(); cancel() }},
	}, nil
}

type pipeBody struct {
	*io.PipeReader
	closed func()
}

func (b *pipeBody) Close() error {
	b.closed()
	return b.PipeReader.Close()
}

type pipeWriter struct {
	header  http.Header
	body    *io.PipeWriter
	once    sync.Once
	started chan struct{}
	status  int
}

func (w *pipeWriter) Header() http.Header { return w.header }
func (w *pipeWriter) Flush()              {}

func (w *pipeWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.status = status
		close(w.started)
	})
}

func (w *pipeWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}
