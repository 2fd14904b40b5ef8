"""What is computed: plain, typed functions that know no flow, no Prefect, no DVC and no MLflow."""
