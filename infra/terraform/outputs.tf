output "TEMOIN_DATABASE" {
  description = "Certificates: https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html"
  value       = "postgres://temoin@${aws_db_instance.temoin.endpoint}/temoin?sslmode=verify-full&sslrootcert=/etc/temoin/database-ca.pem"
}

output "TEMOIN_BLOBS" {
  value = "s3://${aws_s3_bucket.evidence.bucket}?region=${var.region}"
}

output "TEMOIN_LOG__PUBLISHED" {
  description = "Each file for ten years. Nobody shortens that: begin with fewer days."
  value       = "s3://${aws_s3_bucket.published.bucket}?region=${var.region}&lock_days=3650"
}

output "PGPASSWORD" {
  description = "Where AWS keeps it: aws secretsmanager get-secret-value --secret-id …"
  value       = aws_db_instance.temoin.master_user_secret[0].secret_arn
}

output "AWS_ACCESS_KEY_ID" {
  description = "The user that needs a key, made outside this state: aws iam create-access-key --user-name …"
  value       = aws_iam_user.temoin.name
}
