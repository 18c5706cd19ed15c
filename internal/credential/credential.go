// Package credential keeps the root key pair of an instance.
//
// The first start with a data directory makes the key pair and keeps it there,
// in a file that only its owner can read. Formatting or logging a Key never
// prints the secret.
package credential

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/skylift/skylift/internal/atomicfile"
	"github.com/skylift/skylift/internal/caller"
)

// File is the name of the file in the data directory.
const File = "credentials.json"

// Key is a long-term key pair.
type Key struct {
	AccessKeyID     string `json:"accessKeyId"`     // AKIA and 16 more
	SecretAccessKey string `json:"secretAccessKey"` // 40 characters
}

// String leaves the secret out.
func (k Key) String() string { return k.AccessKeyID }

// GoString leaves the secret out.
func (k Key) GoString() string { return fmt.Sprintf("credential.Key{AccessKeyID: %q}", k.AccessKeyID) }

// LogValue leaves the secret out.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.AccessKeyID) }

// LoadOrCreate returns the key pair of the data directory dir, and makes one if
// there is none. Only one process at a time may call it.
func LoadOrCreate(dir string) (Key, error) {
	k, err := Load(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	k = generate()
	return k, save(dir, k)
}

// Load returns the key pair of the data directory dir; the error is
// fs.ErrNotExist when none was made yet.
func Load(dir string) (Key, error) {
	path := filepath.Join(dir, File)
	info, err := os.Stat(path)
	if err != nil {
		return Key{}, fmt.Errorf("read root key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return Key{}, fmt.Errorf("read root key: %s can be read by others (mode %04o): run chmod 600 on it", path, info.Mode().Perm())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Key{}, fmt.Errorf("read root key: %w", err)
	}
	var k Key
	if err := json.Unmarshal(b, &k); err != nil {
		return Key{}, fmt.Errorf("read root key: %s: %w", path, err)
	}
	if k.AccessKeyID == "" || k.SecretAccessKey == "" {
		return Key{}, fmt.Errorf("read root key: %s holds no key pair", path)
	}
	return k, nil
}

func generate() Key {
	return Key{
		AccessKeyID:     "AKIA" + rand.Text()[:16],
		SecretAccessKey: (rand.Text() + rand.Text())[:40],
	}
}

// save writes k whole or not at all, and returns once it is on disk.
func save(dir string, k Key) (err error) {
	b, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return fmt.Errorf("save root key: %w", err)
	}
	if err := atomicfile.Write(filepath.Join(dir, File), append(b, '\n')); err != nil {
		return fmt.Errorf("save root key: %w", err)
	}
	return nil
}

// Root is a key ring that holds one instance's root key alone.
type Root struct {
	Key     Key
	Account string
}

// Lookup returns whose key it is and its secret. It is a long-term key, so a
// session token is never good. The error is caller.ErrUnknownKey.
func (r Root) Lookup(accessKeyID, sessionToken string) (c caller.Caller, secret string, err error) {
	if accessKeyID != r.Key.AccessKeyID || sessionToken != "" {
		return caller.Caller{}, "", caller.ErrUnknownKey
	}
	return caller.Caller{
		Account:     r.Account,
		ARN:         "arn:aws:iam::" + r.Account + ":root",
		UserID:      r.Account,
		AccessKeyID: accessKeyID,
	}, r.Key.SecretAccessKey, nil
}
