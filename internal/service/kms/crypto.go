package kms

import (
	"cmp"
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/skylift/skylift/internal/service/kms/material"
)

const symmetricDefault = types.EncryptionAlgorithmSpecSymmetricDefault

// Encrypt encrypts up to 4,096 bytes.
func (a *API) Encrypt(ctx context.Context, in *kms.EncryptInput) (*kms.EncryptOutput, error) {
	o, err := a.open(ctx, *in.KeyId, "", use{action: "Encrypt", usage: types.KeyUsageTypeEncryptDecrypt, tokens: in.GrantTokens, dry: in.DryRun})
	if err != nil {
		return nil, err
	}
	algorithm := cmp.Or(in.EncryptionAlgorithm, symmetricDefault)
	blob, err := o.encrypt(algorithm, in.EncryptionContext, in.Plaintext)
	return &kms.EncryptOutput{CiphertextBlob: blob, KeyId: new(a.keyARN(o.ID)), EncryptionAlgorithm: algorithm}, err
}

func (o opened) encrypt(algorithm types.EncryptionAlgorithmSpec, context map[string]string, plain []byte) ([]byte, error) {
	if err := o.takes(algorithm, context); err != nil {
		return nil, err
	}
	if o.symmetric() {
		return o.seal(context, plain), nil
	}
	return material.EncryptRSA(o.secret, o.Spec, algorithm, plain)
}

func (o opened) takes(algorithm types.EncryptionAlgorithmSpec, context map[string]string) error {
	switch {
	case !slices.Contains(material.Encryptions(o.Spec), algorithm):
		return incompatible(algorithm, o.Spec)
	case !o.symmetric() && len(context) > 0:
		return invalid("The encryption context is only valid with symmetric encryption keys.")
	}
	return nil
}

// ciphertext is what a call asks to be decrypted, and how.
type ciphertext struct {
	key       *string
	algorithm types.EncryptionAlgorithmSpec
	context   map[string]string
	blob      []byte
}

func (a *API) decrypt(ctx context.Context, c ciphertext, u use) (plain []byte, o opened, err error) {
	switch {
	case len(c.blob) == 0:
		return nil, o, invalid("1 validation error detected: Value null at 'ciphertextBlob' failed to satisfy constraint: Member must not be null")
	case c.algorithm == "" || c.algorithm == symmetricDefault:
		plain, o, err = a.unseal(ctx, c.key, c.blob, c.context, u)
		return plain, o, err
	case c.key == nil:
		return nil, o, invalid("KeyId is required with the encryption algorithm %s.", c.algorithm)
	}
	if o, err = a.open(ctx, *c.key, "", u); err != nil {
		return nil, o, err
	}
	if err = o.takes(c.algorithm, c.context); err != nil {
		return nil, o, err
	}
	plain, err = material.DecryptRSA(o.secret, c.algorithm, c.blob)
	return plain, o, err
}

// Decrypt decrypts what Encrypt or GenerateDataKey encrypted.
func (a *API) Decrypt(ctx context.Context, in *kms.DecryptInput) (*kms.DecryptOutput, error) {
	plain, o, err := a.decrypt(ctx, ciphertext{in.KeyId, in.EncryptionAlgorithm, in.EncryptionContext, in.CiphertextBlob},
		use{action: "Decrypt", usage: types.KeyUsageTypeEncryptDecrypt, tokens: in.GrantTokens, dry: in.DryRun})
	return &kms.DecryptOutput{
		Plaintext: plain, KeyId: new(a.keyARN(o.ID)), EncryptionAlgorithm: cmp.Or(in.EncryptionAlgorithm, symmetricDefault), KeyMaterialId: o.materialID(),
	}, err
}

// materialID is that of a symmetric key's material, which answers name.
func (o opened) materialID() *string {
	if !o.symmetric() {
		return nil
	}
	return &o.id
}

// ReEncrypt decrypts, and encrypts under another key, without showing the text.
func (a *API) ReEncrypt(ctx context.Context, in *kms.ReEncryptInput) (*kms.ReEncryptOutput, error) {
	from := use{action: "ReEncryptFrom", usage: types.KeyUsageTypeEncryptDecrypt, tokens: in.GrantTokens}
	plain, source, err := a.decrypt(ctx, ciphertext{in.SourceKeyId, in.SourceEncryptionAlgorithm, in.SourceEncryptionContext, in.CiphertextBlob}, from)
	if err != nil {
		return nil, err
	}
	to, err := a.open(ctx, *in.DestinationKeyId, "", use{action: "ReEncryptTo", usage: from.usage, tokens: in.GrantTokens, dry: in.DryRun})
	if err != nil {
		return nil, err
	}
	algorithm := cmp.Or(in.DestinationEncryptionAlgorithm, symmetricDefault)
	blob, err := to.encrypt(algorithm, in.DestinationEncryptionContext, plain)
	return &kms.ReEncryptOutput{
		CiphertextBlob: blob, KeyId: new(a.keyARN(to.ID)), DestinationEncryptionAlgorithm: algorithm, DestinationKeyMaterialId: to.materialID(),
		SourceKeyId: new(a.keyARN(source.ID)), SourceEncryptionAlgorithm: cmp.Or(in.SourceEncryptionAlgorithm, symmetricDefault), SourceKeyMaterialId: source.materialID(),
	}, err
}

// dataKey makes a data key, with its ciphertext.
func (a *API) dataKey(ctx context.Context, action string, in *kms.GenerateDataKeyInput) (*kms.GenerateDataKeyOutput, error) {
	size := 0
	switch {
	case (in.KeySpec == "") == (in.NumberOfBytes == nil):
		return nil, invalid("Please specify either number of bytes or key spec.")
	case in.NumberOfBytes != nil:
		size = int(*in.NumberOfBytes)
	case in.KeySpec == types.DataKeySpecAes128:
		size = 16
	default:
		size = 32
	}
	o, err := a.openSymmetric(ctx, *in.KeyId, use{action: action, usage: types.KeyUsageTypeEncryptDecrypt, tokens: in.GrantTokens, dry: in.DryRun})
	if err != nil {
		return nil, err
	}
	plain := material.Random(size)
	return &kms.GenerateDataKeyOutput{
		Plaintext: plain, CiphertextBlob: o.seal(in.EncryptionContext, plain), KeyId: new(a.keyARN(o.ID)), KeyMaterialId: o.materialID(),
	}, nil
}

func (a *API) openSymmetric(ctx context.Context, ref string, u use) (opened, error) {
	o, err := a.open(ctx, ref, "", u)
	if err == nil && !o.symmetric() {
		err = &types.InvalidKeyUsageException{Message: new("You cannot generate a data key with an asymmetric CMK")}
	}
	return o, err
}

// GenerateDataKey makes a key for use outside of KMS.
func (a *API) GenerateDataKey(ctx context.Context, in *kms.GenerateDataKeyInput) (*kms.GenerateDataKeyOutput, error) {
	return a.dataKey(ctx, "GenerateDataKey", in)
}

// GenerateDataKeyWithoutPlaintext makes one to be decrypted later.
func (a *API) GenerateDataKeyWithoutPlaintext(ctx context.Context, in *kms.GenerateDataKeyWithoutPlaintextInput) (*kms.GenerateDataKeyWithoutPlaintextOutput, error) {
	out, err := a.dataKey(ctx, "GenerateDataKeyWithoutPlaintext", &kms.GenerateDataKeyInput{
		KeyId: in.KeyId, KeySpec: in.KeySpec, NumberOfBytes: in.NumberOfBytes, EncryptionContext: in.EncryptionContext, GrantTokens: in.GrantTokens, DryRun: in.DryRun,
	})
	if err != nil {
		return nil, err
	}
	return &kms.GenerateDataKeyWithoutPlaintextOutput{CiphertextBlob: out.CiphertextBlob, KeyId: out.KeyId, KeyMaterialId: out.KeyMaterialId}, nil
}

// GenerateDataKeyPair makes a key pair for use outside of KMS.
func (a *API) GenerateDataKeyPair(ctx context.Context, in *kms.GenerateDataKeyPairInput) (*kms.GenerateDataKeyPairOutput, error) {
	return a.dataKeyPair(ctx, "GenerateDataKeyPair", in)
}

func (a *API) dataKeyPair(ctx context.Context, action string, in *kms.GenerateDataKeyPairInput) (*kms.GenerateDataKeyPairOutput, error) {
	spec := types.KeySpec(in.KeyPairSpec)
	if !material.Has(spec) {
		return nil, unsupported("The KeyPairSpec %s is not supported by Skylift.", spec)
	}
	o, err := a.openSymmetric(ctx, *in.KeyId, use{action: action, usage: types.KeyUsageTypeEncryptDecrypt, tokens: in.GrantTokens, dry: in.DryRun})
	if err != nil {
		return nil, err
	}
	private, err := material.New(spec)
	if err != nil {
		return nil, err
	}
	public, err := material.Public(private)
	return &kms.GenerateDataKeyPairOutput{
		PrivateKeyPlaintext: private, PrivateKeyCiphertextBlob: o.seal(in.EncryptionContext, private), PublicKey: public,
		KeyPairSpec: in.KeyPairSpec, KeyId: new(a.keyARN(o.ID)), KeyMaterialId: o.materialID(),
	}, err
}

// GenerateDataKeyPairWithoutPlaintext makes one whose private key is to be decrypted later.
func (a *API) GenerateDataKeyPairWithoutPlaintext(ctx context.Context, in *kms.GenerateDataKeyPairWithoutPlaintextInput) (*kms.GenerateDataKeyPairWithoutPlaintextOutput, error) {
	out, err := a.dataKeyPair(ctx, "GenerateDataKeyPairWithoutPlaintext", &kms.GenerateDataKeyPairInput{
		KeyId: in.KeyId, KeyPairSpec: in.KeyPairSpec, EncryptionContext: in.EncryptionContext, GrantTokens: in.GrantTokens, DryRun: in.DryRun,
	})
	if err != nil {
		return nil, err
	}
	return &kms.GenerateDataKeyPairWithoutPlaintextOutput{
		PrivateKeyCiphertextBlob: out.PrivateKeyCiphertextBlob, PublicKey: out.PublicKey, KeyPairSpec: out.KeyPairSpec, KeyId: out.KeyId, KeyMaterialId: out.KeyMaterialId,
	}, nil
}

// GenerateRandom returns random bytes.
func (a *API) GenerateRandom(_ context.Context, in *kms.GenerateRandomInput) (*kms.GenerateRandomOutput, error) {
	if in.NumberOfBytes == nil {
		return nil, invalid("1 validation error detected: Value null at 'numberOfBytes' failed to satisfy constraint: Member must not be null")
	}
	return &kms.GenerateRandomOutput{Plaintext: material.Random(int(*in.NumberOfBytes))}, nil
}
