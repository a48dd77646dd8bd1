/// The report of `Synthetic.runs`, checked by eye.
let goldenReport = """
  # tiny

  **toy-moe** (1.23 M parameters) at 4 points in 8 runs. Axes: method (full precision, RTN, GPTQ, random); bits (2.5, 3). Replicates repeat a method over the seeds it reads: calibration 0, 1; search 0, 1.

  **Table main.** Methods at equal budget.

  | method         | bits | runs | expert code bits (bits/weight) | true bytes (MB) | perplexity ↓ (nats) | accuracy, arithmetic ↑ (%) | accuracy, stories ↑ (%) | time (s) | gptq fallbacks |
  | :------------- | :--- | ---: | -----------------------------: | --------------: | ------------------: | -------------------------: | ----------------------: | -------: | -------------: |
  | full precision |      |    1 |                         16.000 |           1.235 |               6.123 |                       25.0 |                    50.0 |        – |              0 |
  | RTN            | 3    |    1 |                          3.000 |           1.235 |               8.800 |                       20.0 |                    40.0 |      1.5 |              0 |
  | GPTQ           | 3    |    2 |                          3.000 |           1.235 |   **8.220 ± 0.028** |                   **25.0** |                **50.0** |      1.5 |      1.0 ± 1.4 |
  | random         | 3    |    4 |                          3.000 |           1.235 |         9.00 ± 0.41 |                   **25.0** |                **50.0** |      1.5 |              0 |

  ± sample standard deviation over n = 4 runs (2 calibration seeds × 2 search seeds) for random; n = 2 runs (2 calibration seeds) for GPTQ. A number without ± comes from one run or is the same in all of them, sizes to the digits shown. Bold: best unrounded mean among quantized rows of equal bits. Time: first execution of the stages calibrate, quantize, mean over runs; cached stages count in full.

  ![Perplexity against bits.](figures/tiny-curve.svg)

  **Figure curve.** Perplexity against bits. Bars: ± sample standard deviation over n = 4 runs (2 calibration seeds × 2 search seeds) for random; n = 2 runs (2 calibration seeds) for GPTQ.

  ## Provenance

  Metrics, by the id of their definition:

  - `353b528885` accuracy, arithmetic: fraction; higher is better; context = 256.
  - `81d9916082` accuracy, stories: fraction; higher is better; context = 256.
  - `382187373c` perplexity, all: nats; lower is better; context = 256.

  Inputs:

  - corpus `bbbb`, read by calibrate
  - model `aaaa`, read by calibrate, quantize

  Facts:

  - model-name: toy-moe
  - model-parameters: 1,234,567

  Counts:

  - gptq-fallbacks: 2 in 1 of 8 runs

  Remarks:

  - Expert 3 got no token and was rounded to nearest. (GPTQ / 3)

  Runs:

  - experiment tiny, spec `5bec`
  - program, SHA-256 of its file: `fedc`
  - commit of the repository that holds the spec: `0123456789ab`
  - seeds: calibration 0, 1; search 0, 1
  - times measured on a CPU, 2 threads; oneDNN 2.6
  - data: [data/tiny.json](data/tiny.json)

  """
