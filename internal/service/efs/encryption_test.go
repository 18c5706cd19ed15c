package efs_test

import (
	"regexp"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/efs"
)

// TestEncrypted: on a disk that is encrypted a file system may be, with the key
// that there is, by any of its names.
func TestEncrypted(t *testing.T) {
	t.Parallel()
	e := newEnvOn(t, true)
	first := must(e, e.CreateFileSystem, &sdk.CreateFileSystemInput{CreationToken: new("a"), Encrypted: new(true)})
	if first.Encrypted == nil || !*first.Encrypted || first.KmsKeyId == nil {
		t.Fatalf("encrypted %v, key %v", first.Encrypted, first.KmsKeyId)
	}
	form := regexp.MustCompile(`^arn:aws:kms:us-west-2:` + account + `:key/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if !form.MatchString(*first.KmsKeyId) {
		t.Errorf("the key is %s", *first.KmsKeyId)
	}
	key := *first.KmsKeyId
	for i, name := range []string{key, "alias/aws/elasticfilesystem", "arn:aws:kms:us-west-2:" + account + ":alias/aws/elasticfilesystem", key[len(key)-36:]} {
		made := must(e, e.CreateFileSystem, &sdk.CreateFileSystemInput{CreationToken: new("b" + string(rune('0'+i))), Encrypted: new(true), KmsKeyId: &name})
		e.settle()
		if d := e.described(*made.FileSystemId); d.KmsKeyId == nil || *d.KmsKeyId != key || !*d.Encrypted {
			t.Errorf("named %s: key %v, encrypted %v", name, d.KmsKeyId, *d.Encrypted)
		}
	}
	refused(e, "BadRequest", "no KMS for the key 'alias/mine'", e.CreateFileSystem, &sdk.CreateFileSystemInput{CreationToken: new("c"), Encrypted: new(true), KmsKeyId: new("alias/mine")})
	refused(e, "BadRequest", "'KmsKeyId' needs 'Encrypted'", e.CreateFileSystem, &sdk.CreateFileSystemInput{CreationToken: new("c"), KmsKeyId: &key})
	e.settle()
	plain := must(e, e.CreateFileSystem, &sdk.CreateFileSystemInput{CreationToken: new("d")})
	e.settle()
	if d := e.described(*plain.FileSystemId); *d.Encrypted || d.KmsKeyId != nil {
		t.Errorf("one that isn't to be encrypted: %v, key %v", *d.Encrypted, d.KmsKeyId)
	}
}
