package efs

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/efs"

	"github.com/skylift/skylift/internal/awserr"
)

// defaultAlias is AWS's alias for the key of file systems that don't name one.
const defaultAlias = "alias/aws/elasticfilesystem"

// encryptionFaults is what is wrong with the encryption that a request asks for.
func (a *API) encryptionFaults(in *efs.CreateFileSystemInput) (f awserr.Faults) {
	wanted := in.Encrypted != nil && *in.Encrypted
	named := in.KmsKeyId != nil && *in.KmsKeyId != ""
	switch {
	case named && !wanted:
		f.Add(badRequest("The parameter 'KmsKeyId' needs 'Encrypted' to be true."))
	case named && !slices.Contains(a.namesOfDefaultKey(), *in.KmsKeyId):
		f.Add(unsupported("KmsKeyId", fmt.Sprintf("there is no KMS for the key '%s'. Leave it out, or name %s, for the key of the disk", *in.KmsKeyId, defaultAlias)))
	}
	if wanted && !a.encrypted {
		f.Add(unsupported("Encrypted", "the data directory isn't known to be on an encrypted disk. Move it to a dm-crypt (LUKS) device, which skylift serve sees by itself; "+
			"or start skylift serve with --encrypted-at-rest, where the disk is encrypted below what Linux sees"))
	}
	return f
}

// defaultKey is the ARN that stands for the disk's key. As on AWS there is one for
// each account and region.
func (a *API) defaultKey() string { return a.ns.ARN("kms", "key/"+a.defaultKeyID()) }

func (a *API) defaultKeyID() string {
	s := sha256.Sum256([]byte(a.ns.Region + "/" + a.ns.Account + "/" + defaultAlias))
	s[6], s[8] = s[6]&0x0f|0x40, s[8]&0x3f|0x80 // of the form of a random UUID
	return fmt.Sprintf("%x-%x-%x-%x-%x", s[0:4], s[4:6], s[6:8], s[8:10], s[10:16])
}

// namesOfDefaultKey are the forms that a key can be named in.
func (a *API) namesOfDefaultKey() []string {
	return []string{defaultAlias, a.ns.ARN("kms", defaultAlias), a.defaultKey(), a.defaultKeyID()}
}

// key is the key of a file system; nil when it need not be encrypted.
func (a *API) key(f FileSystem) *string {
	if !f.Encrypted {
		return nil
	}
	return new(a.defaultKey())
}
