package e2e

import (
	"bytes"
	"encoding/base64"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestConfiguration keeps secrets, parameters and what KMS encrypts through kill -9 and another root key, and finds
// no value in the clear in any file of the instance.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	need(t)
	s := start(t)
	const canary, other = "canary-5e1f-secret", "canary-77c0-parameter"
	dir := t.TempDir()
	file := func(name string, b []byte) string { // both versions of the CLI take bytes from files alike
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	s.aws(t, "kms", "create-alias", "--alias-name", "alias/app", "--target-key-id",
		s.aws(t, "kms", "create-key", "--query", "KeyMetadata.KeyId", "--output", "text"))
	blob := s.aws(t, "kms", "encrypt", "--key-id", "alias/app", "--plaintext", "fileb://"+file("plain", []byte(canary)),
		"--encryption-context", "app=shop", "--query", "CiphertextBlob", "--output", "text")
	sealed := file("sealed", must(base64.StdEncoding.DecodeString(blob))(t))
	s.aws(t, "secretsmanager", "create-secret", "--name", "shop/db", "--secret-string", canary, "--kms-key-id", "alias/app")
	s.aws(t, "ssm", "put-parameter", "--name", "/shop/token", "--type", "SecureString", "--value", other)
	s.aws(t, "ssm", "put-parameter", "--name", "/shop/host", "--type", "String", "--value", other)
	want := func() {
		t.Helper()
		for _, tt := range []struct{ got, want string }{
			{s.aws(t, "secretsmanager", "get-secret-value", "--secret-id", "shop/db", "--query", "SecretString", "--output", "text"), canary},
			{s.aws(t, "ssm", "get-parameter", "--name", "/shop/token", "--with-decryption", "--query", "Parameter.Value", "--output", "text"), other},
			{s.aws(t, "ssm", "get-parameters-by-path", "--path", "/shop", "--query", "Parameters[0].Value", "--output", "text"), other},
			{s.aws(t, "kms", "decrypt", "--ciphertext-blob", "fileb://"+sealed, "--encryption-context", "app=shop", "--query", "Plaintext", "--output", "text"), base64.StdEncoding.EncodeToString([]byte(canary))},
		} {
			if tt.got != tt.want {
				t.Errorf("got %q, want %q", tt.got, tt.want)
			}
		}
	}
	want()
	s.kill9(t)
	s.serve(t)
	want()
	s.term(t)
	s.run(t, "rekey", "--data-dir", s.dir)
	s.serve(t)
	want()
	clearText(t, s.dir, canary, other)
	clearText(t, filepath.Dir(s.logs), canary, other)
}

// clearText says which files below dir have one of the texts in them, plain or in base64.
func clearText(t *testing.T, dir string, texts ...string) {
	t.Helper()
	seen := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // it went while we looked
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil
		}
		seen++
		for _, text := range texts {
			if bytes.Contains(b, []byte(text)) || strings.Contains(string(b), base64.StdEncoding.EncodeToString([]byte(text))) {
				t.Errorf("%s has %s in it", path, text)
			}
		}
		return nil
	})
	if err != nil || seen == 0 {
		t.Errorf("looked into %d files: %v", seen, err)
	}
}
