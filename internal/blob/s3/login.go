package s3

import (
	"github.com/minio/minio-go/v7/pkg/credentials"

	"fairlead.dev/fairlead"
)

// Login is an access key with its secret.
type Login struct {
	AccessKey string
	SecretKey fairlead.Secret
	// SessionToken is of a temporary login, and may be empty.
	SessionToken fairlead.Secret
}

// ReadLogin reads the profile "default" of a file in the form of the AWS tools
// (aws_access_key_id, aws_secret_access_key, aws_session_token). [fairlead.Invalid]
func ReadLogin(file string) (Login, error) {
	v, err := credentials.NewFileAWSCredentials(file, "default").GetWithContext(nil)
	if err != nil || v.AccessKeyID == "" || v.SecretAccessKey == "" {
		// What the reader says isn't passed on: it may quote a line.
		return Login{}, &fairlead.Error{
			Kind: fairlead.Invalid, What: "reading the login for S3 in " + file, Why: "it can't be read, or has no complete one under [default]",
			Remedy: "write aws_access_key_id = ... and aws_secret_access_key = ... below a line [default]",
		}
	}
	return Login{v.AccessKeyID, fairlead.SecretText(v.SecretAccessKey), fairlead.SecretText(v.SessionToken)}, nil
}
