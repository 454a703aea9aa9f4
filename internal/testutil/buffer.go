package testutil

import (
	"strings"
	"sync"
)

// Buffer is an io.Writer for logs and outputs that a test reads while others write. The zero value is empty.
type Buffer struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

// Write appends p. It never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String is what has been written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Contains tells whether text has been written so far.
func (b *Buffer) Contains(text string) bool { return strings.Contains(b.String(), text) }
