package credentials

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	cacheVersion = 1
	cacheSuffix  = ".json"
	cacheTemp    = ".credentials-" // begins the name of a file that is being written
	// maxCacheFile is the size in bytes of the largest file that is read; credentials take about 2 KiB.
	maxCacheFile = 64 << 10
	// maxSession is the longest life of a role's session (STS API reference, AssumeRole, DurationSeconds).
	maxSession = 12 * time.Hour
	// clockTolerance is by how much the clock may have been set back since credentials were cached.
	clockTolerance = 5 * time.Minute
)

// cacheFile keeps the credentials of one Spec on disk, from one run of the daemon to the next. Only the daemon's user can read
// it. Problems are logged, and the daemon then works without it. Only one goroutine may call its methods, except path.
type cacheFile struct {
	dir    string // "": there is no directory to keep it in
	key    string // of the Spec and the issuer; the name of the file
	wanted bool   // false: it only deletes what an earlier run has left
	log    *slog.Logger
	now    func() time.Time
	swept  *sync.Once  // of all files in dir: one of them sweeps it
	there  atomic.Bool // the file has these credentials
	failed string      // why the last save failed, which is logged once
}

// cached is the content of the file.
type cached struct {
	Version         int       `json:"version"`
	Key             string    `json:"key"`
	AccessKeyID     string    `json:"access_key_id"`
	SecretAccessKey string    `json:"secret_access_key"`
	SessionToken    string    `json:"session_token"`
	Expiration      time.Time `json:"expiration"`
	LastUpdated     time.Time `json:"last_updated"`
	ARN             string    `json:"arn,omitempty"`
	AccountID       string    `json:"account_id,omitempty"`
}

// newCacheFile makes the cache of s in dir. It returns nil for credentials that are not a role's: those of a profile may be
// another user's by the next run, and made-up ones are worth nothing.
func newCacheFile(s Spec, dir, issuer string, log *slog.Logger, now func() time.Time) *cacheFile {
	if s.Mock || s.RoleARN == "" {
		return nil
	}
	wanted := s.Cache
	s.Cache, s.RefreshBefore = false, 0
	key := s.Key()
	sum := sha256.Sum256(append(key[:], issuer...))
	return &cacheFile{dir: dir, key: hex.EncodeToString(sum[:]), wanted: wanted, log: log, now: now, swept: &sync.Once{}}
}

func (f *cacheFile) file() string { return filepath.Join(f.dir, f.key+cacheSuffix) }

// path is the file that has the credentials; "" if none has. It may be called concurrently, also on nil.
func (f *cacheFile) path() string {
	if f == nil || !f.there.Load() {
		return ""
	}
	return f.file()
}

// load returns the credentials of the last run, if they are valid, and deletes expired files. It returns nil without any.
func (f *cacheFile) load() *Credentials {
	if f.dir == "" {
		return nil
	}
	f.swept.Do(f.sweep)
	if !f.wanted {
		_ = os.Remove(f.file())
		return nil
	}
	c, err := f.read(f.file())
	if err == nil {
		err = privateDir(f.dir)
	}
	if err == nil && c.Key != f.key {
		err = errors.New("it is of other credentials")
	}
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			f.log.Warn("cannot use cached credentials", "file", f.file(), "error", err, "hint", "the daemon gets new ones; delete the file")
		}
		return nil
	}
	f.there.Store(true)
	return &Credentials{
		AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken,
		Expiration: c.Expiration, LastUpdated: c.LastUpdated, ARN: c.ARN, AccountID: c.AccountID,
	}
}

// read reads a file and checks all but its key. Its errors quote none of the content.
func (f *cacheFile) read(file string) (*cached, error) {
	info, err := os.Lstat(file)
	if err != nil {
		return nil, reason(err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxCacheFile {
		return nil, errors.New("it is not a file of credentials")
	}
	if err := private(info, 0o077); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(file) //nolint:gosec // the daemon's own directory
	if err != nil {
		return nil, reason(err)
	}
	var c cached
	switch now := f.now(); {
	case json.Unmarshal(text, &c) != nil || c.AccessKeyID == "" || c.SecretAccessKey == "" || c.SessionToken == "":
		return nil, errors.New("it is damaged")
	case c.Version != cacheVersion:
		return nil, fmt.Errorf("it is of version %d, not %d", c.Version, cacheVersion)
	case c.Expiration.Sub(c.LastUpdated) > maxSession+clockTolerance:
		return nil, errors.New("it has an expiry that STS does not give")
	case c.LastUpdated.After(now.Add(clockTolerance)):
		return nil, errors.New("it is from the future: the clock has been set back")
	}
	return &c, nil
}

// sweep deletes files that have expired, of any credentials, and those that a run which was killed has left half-written.
func (f *cacheFile) sweep() {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		file := filepath.Join(f.dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), cacheTemp):
			if info, err := e.Info(); err == nil && f.now().Sub(info.ModTime()) > time.Minute {
				_ = os.Remove(file)
			}
		case strings.HasSuffix(e.Name(), cacheSuffix):
			if c, err := f.read(file); err == nil && !c.Expiration.After(f.now()) {
				_ = os.Remove(file)
			}
		}
	}
}

// save replaces the credentials in the file. It logs each new reason for a failure once.
func (f *cacheFile) save(c *Credentials) {
	if f == nil || !f.wanted {
		return
	}
	text, err := json.Marshal(cached{ //nolint:gosec // this file is for them
		Version: cacheVersion, Key: f.key, AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken,
		Expiration: c.Expiration, LastUpdated: c.LastUpdated, ARN: c.ARN, AccountID: c.AccountID,
	})
	if err == nil {
		err = f.write(text)
	}
	if err == nil {
		f.failed = ""
		f.there.Store(true)
		return
	}
	if err := reason(err); err.Error() != f.failed {
		f.failed = err.Error()
		f.log.Warn("cannot cache credentials on disk", "dir", f.dir, "error", err,
			"hint", "make the directory writable for the daemon's user only, set identity.state_dir to another one, or set credentials.cache to memory")
	}
}

// write writes the file atomically.
func (f *cacheFile) write(text []byte) error {
	if f.dir == "" {
		return errors.New("no home directory")
	}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return err
	}
	if err := privateDir(f.dir); err != nil {
		return err
	}
	temp, err := os.CreateTemp(f.dir, cacheTemp+"*") // of mode 0600
	if err != nil {
		return err
	}
	_, err = temp.Write(text)
	if err == nil {
		err = temp.Sync()
	}
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), f.file())
	}
	if err != nil {
		_ = os.Remove(temp.Name())
	}
	return err
}

// privateDir fails if another user can replace the files of a directory.
func privateDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if err := private(info, 0o022); err != nil {
		return fmt.Errorf("%s is not private: %w", dir, err)
	}
	return nil
}

// remove deletes the file when its credentials have expired.
func (f *cacheFile) remove() {
	if f != nil && f.there.Swap(false) {
		_ = os.Remove(f.file())
	}
}

// reason returns the cause of a file error, without the system call and the file name.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}
