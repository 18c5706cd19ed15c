package kms

import (
	"cmp"
	"context"
	"crypto/hmac"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/skylift/skylift/internal/service/kms/material"
)

// Sign signs a message, or its digest.
func (a *API) Sign(ctx context.Context, in *kms.SignInput) (*kms.SignOutput, error) {
	o, err := a.openSigning(ctx, *in.KeyId, in.SigningAlgorithm, use{action: "Sign", tokens: in.GrantTokens, dry: in.DryRun})
	if err != nil {
		return nil, err
	}
	signature, err := material.Sign(o.secret, in.SigningAlgorithm, in.Message, cmp.Or(in.MessageType, types.MessageTypeRaw))
	return &kms.SignOutput{KeyId: new(a.keyARN(o.ID)), Signature: signature, SigningAlgorithm: in.SigningAlgorithm}, err
}

func (a *API) openSigning(ctx context.Context, ref string, algorithm types.SigningAlgorithmSpec, u use) (opened, error) {
	u.usage = types.KeyUsageTypeSignVerify
	o, err := a.open(ctx, ref, "", u)
	if err == nil && !slices.Contains(material.Signings(o.Spec), algorithm) {
		err = incompatible(algorithm, o.Spec)
	}
	return o, err
}

// Verify fails unless the signature is that of the message.
func (a *API) Verify(ctx context.Context, in *kms.VerifyInput) (*kms.VerifyOutput, error) {
	o, err := a.openSigning(ctx, *in.KeyId, in.SigningAlgorithm, use{action: "Verify", tokens: in.GrantTokens, dry: in.DryRun})
	if err != nil {
		return nil, err
	}
	valid, err := material.Verify(o.secret, in.SigningAlgorithm, in.Message, cmp.Or(in.MessageType, types.MessageTypeRaw), in.Signature)
	if err == nil && !valid {
		err = &types.KMSInvalidSignatureException{}
	}
	return &kms.VerifyOutput{KeyId: new(a.keyARN(o.ID)), SignatureValid: true, SigningAlgorithm: in.SigningAlgorithm}, err
}

// GenerateMac authenticates a message.
func (a *API) GenerateMac(ctx context.Context, in *kms.GenerateMacInput) (*kms.GenerateMacOutput, error) {
	o, err := a.openMac(ctx, *in.KeyId, in.MacAlgorithm, use{action: "GenerateMac", tokens: in.GrantTokens, dry: in.DryRun})
	if err != nil {
		return nil, err
	}
	return &kms.GenerateMacOutput{KeyId: new(a.keyARN(o.ID)), Mac: material.Mac(o.secret, in.MacAlgorithm, in.Message), MacAlgorithm: in.MacAlgorithm}, nil
}

func (a *API) openMac(ctx context.Context, ref string, algorithm types.MacAlgorithmSpec, u use) (opened, error) {
	u.usage = types.KeyUsageTypeGenerateVerifyMac
	o, err := a.open(ctx, ref, "", u)
	if err == nil && !slices.Contains(material.Macs(o.Spec), algorithm) {
		err = incompatible(algorithm, o.Spec)
	}
	return o, err
}

// VerifyMac fails unless the HMAC is that of the message.
func (a *API) VerifyMac(ctx context.Context, in *kms.VerifyMacInput) (*kms.VerifyMacOutput, error) {
	o, err := a.openMac(ctx, *in.KeyId, in.MacAlgorithm, use{action: "VerifyMac", tokens: in.GrantTokens, dry: in.DryRun})
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(material.Mac(o.secret, in.MacAlgorithm, in.Message), in.Mac) {
		return nil, &types.KMSInvalidMacException{}
	}
	return &kms.VerifyMacOutput{KeyId: new(a.keyARN(o.ID)), MacValid: true, MacAlgorithm: in.MacAlgorithm}, nil
}

// DeriveSharedSecret returns what a key pair shares with somebody's public key.
func (a *API) DeriveSharedSecret(ctx context.Context, in *kms.DeriveSharedSecretInput) (*kms.DeriveSharedSecretOutput, error) {
	o, err := a.open(ctx, *in.KeyId, "", use{action: "DeriveSharedSecret", usage: types.KeyUsageTypeKeyAgreement, tokens: in.GrantTokens, dry: in.DryRun})
	if err != nil {
		return nil, err
	}
	secret, err := material.Agree(o.secret, in.PublicKey)
	return &kms.DeriveSharedSecretOutput{
		KeyId: new(a.keyARN(o.ID)), SharedSecret: secret, KeyAgreementAlgorithm: in.KeyAgreementAlgorithm, KeyOrigin: types.OriginTypeAwsKms,
	}, err
}

// GetPublicKey returns the public key of a key pair.
func (a *API) GetPublicKey(ctx context.Context, in *kms.GetPublicKeyInput) (*kms.GetPublicKeyOutput, error) {
	k, err := a.described(ctx, *in.KeyId)
	if err != nil {
		return nil, err
	}
	if k.symmetric() || k.Usage == types.KeyUsageTypeGenerateVerifyMac {
		return nil, unsupported("%s is a symmetric key, which has no public key.", a.keyARN(k.ID))
	}
	o, err := a.open(ctx, k.ID, "", use{action: "GetPublicKey", usage: k.Usage, tokens: in.GrantTokens})
	if err != nil {
		return nil, err
	}
	public, err := material.Public(o.secret)
	m := a.metadata(k)
	return &kms.GetPublicKeyOutput{
		KeyId: m.Arn, PublicKey: public, CustomerMasterKeySpec: m.CustomerMasterKeySpec, KeySpec: m.KeySpec, KeyUsage: m.KeyUsage, //nolint:staticcheck // AWS answers both names
		EncryptionAlgorithms: m.EncryptionAlgorithms, SigningAlgorithms: m.SigningAlgorithms, KeyAgreementAlgorithms: m.KeyAgreementAlgorithms,
	}, err
}
