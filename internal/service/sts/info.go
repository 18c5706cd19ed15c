package sts

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/seal"
)

// barred refuses the operations that a session of a user may not call: all but AssumeRole and GetCallerIdentity
// (https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html).
func barred(ctx context.Context, operation string) error {
	if s := caller.From(ctx).Session; s != nil && s.Kind != caller.OfRole {
		return denied("Cannot call %s with session credentials", operation)
	}
	return nil
}

// GetAccessKeyInfo tells whose account an access key is. The key's id says it, so there need be no such key.
func (a *API) GetAccessKeyInfo(ctx context.Context, in *sts.GetAccessKeyInfoInput) (*sts.GetAccessKeyInfoOutput, error) {
	if err := barred(ctx, "GetAccessKeyInfo"); err != nil {
		return nil, err
	}
	known, err := a.IAM.HasKey(ctx, *in.AccessKeyId)
	if err != nil {
		return nil, fmt.Errorf("look up access key %s: %w", *in.AccessKeyId, err)
	}
	if known { // it may be older than ids that tell the account
		return &sts.GetAccessKeyInfoOutput{Account: &a.Account}, nil
	}
	account, ok := id.AccountOf(*in.AccessKeyId)
	if !ok {
		return nil, invalid("%s is not the id of an access key.", *in.AccessKeyId)
	}
	return &sts.GetAccessKeyInfoOutput{Account: &account}, nil
}

// messageName is what authorization messages are sealed under.
const messageName = "authorization-message"

// maxMessage is how long a message may be once it is sealed and compressed
// (https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html).
const maxMessage = 10240

// Encode makes of what a denied call is told in secret the text that DecodeAuthorizationMessage takes; "" when it is too long.
func Encode(sealer *seal.Sealer, message []byte) string {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err != nil {
		return "" // the level is one
	}
	_, err = w.Write(message)
	if errors.Join(err, w.Close()) != nil {
		return "" // a buffer takes all
	}
	text := base64.RawURLEncoding.EncodeToString(sealer.Seal(messageName, b.Bytes()))
	if len(text) > maxMessage {
		return ""
	}
	return text
}

// maxDecoded bounds what a message is when it isn't compressed.
const maxDecoded = 1 << 20

// DecodeAuthorizationMessage tells what a denied call was told in secret.
func (a *API) DecodeAuthorizationMessage(ctx context.Context, in *sts.DecodeAuthorizationMessageInput) (*sts.DecodeAuthorizationMessageOutput, error) {
	if err := barred(ctx, "DecodeAuthorizationMessage"); err != nil {
		return nil, err
	}
	none := &types.InvalidAuthorizationMessageException{Message: aws.String("Message is not valid")}
	b, err := base64.RawURLEncoding.DecodeString(*in.EncodedMessage)
	if err != nil {
		return nil, none
	}
	if b, err = a.Messages.Open(messageName, b); err != nil {
		return nil, none
	}
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(b)), maxDecoded))
	if err != nil {
		return nil, none
	}
	return &sts.DecodeAuthorizationMessageOutput{DecodedMessage: aws.String(string(plain))}, nil
}
