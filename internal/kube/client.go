package kube

import (
	"fmt"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
)

const (
	dialTimeout = 5 * time.Second
	// askTimeout bounds a request that is no watch: one page of a list, one Node, one Event.
	askTimeout = 30 * time.Second

	// The limits of requests per second of this client, which apply to none but pages of lists and Events.
	requestsPerSecond = 20
	requestsAtOnce    = 60

	protobuf = "application/vnd.kubernetes.protobuf"
)

// InCluster returns where the Kubernetes API is for a pod, by the files of its service account. The token is read again at least once
// a minute, and when the API has refused it, since the kubelet rotates it.
func InCluster() (*rest.Config, error) {
	c, err := rest.InClusterConfig()
	if err != nil {
		return nil, fmt.Errorf("kubernetes: the service account of a pod cannot be read: %w; run it as a pod of the cluster, or set kubernetes.enabled to false", err)
	}
	c.BearerToken = "" // the file alone counts
	return c, nil
}

// NewConfig returns a Config of an API server at a URL, whose certificate is signed by ca (PEM, empty for the system's), with the token
// in a file.
func NewConfig(url string, ca []byte, tokenFile string) *rest.Config {
	return &rest.Config{Host: url, TLSClientConfig: rest.TLSClientConfig{CAData: ca}, BearerTokenFile: tokenFile}
}

// newClient returns a client of core/v1 that speaks protobuf.
func newClient(c *rest.Config) (rest.Interface, error) {
	c = rest.CopyConfig(c)
	c.APIPath, c.GroupVersion = "/api", &corev1.SchemeGroupVersion
	c.NegotiatedSerializer = serializer.NewCodecFactory(newScheme()).WithoutConversion()
	c.ContentType, c.AcceptContentTypes = protobuf, protobuf+",application/json"
	c.UserAgent = "mock-ec2-metadata-kube"
	c.WarningHandler = rest.NoWarnings{}
	if c.BearerTokenFile != "" {
		token := transport.NewCachedFileTokenSource(c.BearerTokenFile)
		c.Wrap(transport.ResettableTokenSourceWrapTransport(token)) // reads the file again after a 401, which BearerTokenFile does not
		c.BearerTokenFile = ""
	}
	if c.QPS == 0 {
		c.QPS, c.Burst = requestsPerSecond, requestsAtOnce
	}
	if c.Dial == nil && c.Transport == nil {
		c.Dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	}
	client, err := rest.RESTClientFor(c)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: the API at %s cannot be used: %w", c.Host, err)
	}
	return client, nil
}

// newScheme knows the few kinds that are asked for, which keeps the start short.
func newScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	s.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Pod{}, &corev1.PodList{}, &corev1.Node{}, &corev1.Event{})
	metav1.AddToGroupVersion(s, corev1.SchemeGroupVersion)
	if err := metav1.AddMetaToScheme(s); err != nil {
		panic(err) // it only registers types, and has done so in every version
	}
	return s
}

// acceptMetadata is the Accept header that asks for the metadata of objects alone; kind is PartialObjectMetadata, or its list.
func acceptMetadata(kind string) string {
	as := ";as=" + kind + ";g=meta.k8s.io;v=v1"
	return protobuf + as + ",application/json" + as
}
