#include <stddef.h>

#include "wordlists.h"

/* Valence in tenths, -40..40. English first, then the commonest words of six other languages; emoji last. */
const struct lam_words lam_words_sentiment[] = {
    {34,
     "amazing awesome best brilliant excellent exceptional extraordinary fabulous fantastic flawless glorious incredible magnificent "
     "marvelous marvellous masterpiece outstanding perfect perfection phenomenal sensational spectacular splendid stellar stunning "
     "superb terrific wonderful wonderfully brilliantly perfectly superbly triumph triumphant thrilled ecstatic overjoyed blissful adore "
     "adored adores beloved"},
    {27,
     "beautiful beautifully breathtaking celebrate celebrated celebrates celebrating celebration champion champions cherish delight "
     "delighted delightful elated elegant enjoy enjoyable enjoyed enjoying enjoyment enjoys exciting excited excitement fun genius "
     "gorgeous grateful great greatest happiness happy happily heavenly hero heroes heroic honor honored honour impressed impressive "
     "impressively inspiration inspired inspiring joy joyful love loved lovely loves loving lucky miracle paradise passion passionate "
     "proud remarkable rejoice rejoiced success successes successful successfully superior thrilling treasure victory victorious win "
     "winner winners winning wins won wow yay"},
    {20,
     "accomplish accomplished accomplishment accurate achieve achieved achievement achieves admire admired admiration advantage "
     "advantages affordable amuse amused amusing appreciate appreciated appreciates appreciation applaud applauded appealing attractive "
     "award awarded awards benefit benefits beneficial bless blessed blessing bonus boom booming boost boosted boosts bravo breakthrough "
     "bright calm caring charm charming cheer cheered cheerful cheers clean comfort comfortable commend commended compassion compliment "
     "congratulations congrats convenient courage courageous courteous creative cure cured dazzling dedicated delicious dependable "
     "desirable eager ease easier easily easy effective effectively efficient efficiently empower encouraged encouraging energetic "
     "enhance enhanced enthusiastic enthusiasm excel excels faithful fascinating favorable favorite favourite fine flourish fortunate "
     "fortunately free freedom friendly friendliness gain gained gains generous generously genuine gentle gift glad gladly gold good "
     "goodness gracious growth handy healed healthy helpful helped helpfully hilarious honest honesty hope hopeful ideal immaculate "
     "improve improved improvement improvements improves improving innovative innovation insightful intelligent interesting intuitive "
     "kind kindly kindness lively luxury merit modern neat nice nicely nurturing optimism optimistic outperform outperformed painless "
     "peace peaceful pleasant pleasantly pleased pleasing pleasure polite popular positive positively praise praised praises precious "
     "productive profit profitable profits progress promising prompt promptly prosper prosperity prosperous pure rally rallied rebound "
     "rebounded recommend recommended recommends recovered recovery refreshing relaxed reliable reliably relief relieved resolved rescue "
     "rescued respect respected respectful responsive reward rewarded rewarding rich robust romantic safe safely safer satisfaction "
     "satisfied satisfying satisfy secure secured seamless seamlessly sincere skilled smart smile smiled smiles smiling smooth smoothly "
     "soared soars solid solved sparkling special stable stylish support supportive sweet talented tasty thank thankful thanks "
     "thoughtful top trust trusted trustworthy upbeat useful valuable vibrant warm warmly welcome welcomed well wise worth worthwhile "
     "worthy"},
    {12,
     "able accept accepted active adequate allow approve approved approval assure assured aware calmer capable clear clearly competent "
     "confident confidence cool correct correctly credible decent deal earned fairly fast faster fix fixed fresh functional guarantee "
     "guaranteed important leading legitimate like liked likes luck nimble okay ok patient peaceably prefer prefers protect protected "
     "protection quick quickly quiet ready reasonable reasonably rise rises rising save saved saves saving sensible sharp significant "
     "strong stronger strength straightforward sufficient suitable surge surged tidy timely united upgrade upgraded yes"},
    {-12,
     "inaccurate inaccurately inaccuracies erroneous erroneously unemployed unverifiable unsolicited unexplained nobody abrupt absent "
     "aging alone annul argue argued argument awaiting ban banned bug bugs burden cancel canceled cancelled cheap complicated concern "
     "concerned concerns confuse confused confusing confusion cost costly cut cuts decline declined declines declining decrease "
     "decreased delay delayed delaying delays deny denied denies difficult difficulty dispute disputed disputes doubt doubtful doubts "
     "drop dropped drops dull error errors excuse excuses expensive fall fallen falling falls fell flaw flaws fee fees forced forget "
     "forgot glitch glitches hard hardship hassle hesitant idle ignore impossible inadequate inconsistent inconvenience inconvenient "
     "incorrect incorrectly ineffective issue issues lag lags late leak leaks limited limp lonely mediocre mess miss missed missing "
     "mistake mistaken mistakes negative noisy obstacle odd old outdated overdue penalty poorer pressure problem problems question "
     "questionable refuse refused refuses refusing reject rejected rejects restrict risk risks risky shortage slow slower slowly slump "
     "slumped strange stuck tired tough trouble unable unanswered unauthorized uncertain uncertainty unclear uncomfortable unexpected "
     "unfinished unresolved unsure warn warned warning warnings weak weaker weakness worry worried worries worrying wrong wrongly"},
    {-20,
     "stonewall stonewalled stonewalling compromised stealing unlawfully scamming harassments deceptively misreported mishandled abandon "
     "abandoned accident accidents accuse accused aggressive alarm alarmed alarming anger angered annoy annoyed annoying anxiety anxious "
     "apathetic ashamed avoid bad badly bankrupt bankruptcy bitter blame blamed bleak block bore bored boring bother broke broken burn "
     "burned careless chaos chaotic clumsy collapse collapsed complain complained complaining complaint complaints condemn condemned "
     "conflict conflicts crash crashed crashes crashing crisis critical criticism criticize criticized cry crying cumbersome damage "
     "damaged damages damaging danger dangerous dark debt deceive deceived deceptive decay defeat defeated defect defective deficit "
     "delinquent denial depressed deprived deteriorate disagree disappoint disappointed disappointing disappointment discourage "
     "dishonest dislike disliked dismal displeased disrespectful disrupt disrupted disruption dissatisfied distress disturb disturbed "
     "disturbing doomed dread dreary embarrassed embarrassing embarrassment enemy exhausted exploit exploited fail failed failing fails "
     "failure failures fake fatigue fault faulty fear feared fearful fears fight fights filthy fined foreclosure foul fright frightened "
     "frustrate frustrated frustrating frustration gloomy greed greedy grief grievance grim guilty harass harassed harassing harassment "
     "harm harmed harmful harsh hostile humiliated hurt hurts ignorant ignored illegal illegally incompetence incompetent inept inferior "
     "injured injuries injury insecure insult insulted insulting invalid irresponsible irritate irritated irritating jobless lawsuit "
     "layoff layoffs liar lie lied lies lose loser loses losing loss losses lost lousy mad malicious messy misleading misled mistreated "
     "mock nervous nonsense offended offensive outage outages outrage outraged overcharged pain painful panic pathetic plunge plunged "
     "poor poorly protest protests punish punished recall recession regret regretted rejected resent ridiculous rotten rude rudely ruin "
     "ruined sad sadly sadness scam scammed scandal scared scary sick sloppy sorrow sorry spam steal steals stolen stole strain stress "
     "stressed stressful strike struggle struggled struggling stupid suck sucked sucks suffer suffered suffering suffers suspicious sue "
     "sued tension threat threaten threatened threatening threats troubled turmoil ugly unacceptable unemployed unethical unfair "
     "unfairly unfortunate unfortunately unhappy unhelpful unhealthy unjust unlawful unpleasant unprofessional unreasonable unreliable "
     "unresponsive unsafe unsatisfied unsuccessful unusable unwanted unwilling upset useless victim victims violate violated violation "
     "violations vulnerable waste wasted wasting worse worsen worsened worthless wreck wrongful yell yelled"},
    {-27,
     "abuse abused abuses abusive agony appalled appalling arrogant assault assaulted attack attacked attacks awful awfully catastrophe "
     "catastrophic cheat cheated cheating corrupt corruption crime crimes criminal criminals cruel cruelty dead deadly death deaths "
     "deceit despair desperate destroy destroyed destroying destruction devastated devastating devastation die died dies disaster "
     "disasters disastrous disgrace disgraceful disgusted disgusting dreadful evil explosion explosions fatal fiasco fraud frauds "
     "fraudulent fraudulently furious garbage ghastly hate hated hates hatred hell heartbreaking hideous horrible horribly horrendous "
     "horrific horrified horror hostage hostages inexcusable infuriated infuriating intolerable kidnap kidnapped kill killed killer "
     "killing killings kills massacre miserable misery murder murdered nasty nightmare pathetically predatory rage rape ruthless "
     "slaughter sickening suicide terrible terribly terror terrorism terrorist terrorists theft thief thieves torture tortured toxic "
     "tragedy tragic trash unbearable vicious vile violence violent war wars wicked worst wounded"},
    /* German */
    {25,
     "gut gute guten guter hervorragend ausgezeichnet wunderbar großartig toll perfekt super begeistert zufrieden freundlich erfolgreich "
     "schön freude liebe lieben empfehlenswert klasse prima glücklich zuverlässig hilfreich dankbar"},
    {-25,
     "schlecht schlechte schlechter schlechten furchtbar schrecklich katastrophal katastrophe enttäuscht enttäuschend enttäuschung "
     "ärgerlich mangelhaft kaputt defekt fehler unfreundlich unzufrieden schlimm leider hässlich betrug frechheit unverschämt langsam "
     "verloren wütend"},
    /* French */
    {25,
     "bon bonne bons bonnes excellente merveilleux merveilleuse magnifique formidable génial géniale parfait parfaite content contente "
     "heureux heureuse ravi ravie satisfait satisfaite agréable beau belle succès merci adorable recommande"},
    {-25,
     "mauvais mauvaise terribles affreux affreuse horribles décevant décevante déçu déçue nul nulle triste problème problèmes erreur "
     "panne lent lente cassé pire insatisfait arnaque inacceptable catastrophique colère mécontent malheureusement"},
    /* Spanish and Portuguese */
    {25,
     "bueno buena buenos buenas excelente excelentes maravilloso maravillosa perfecto perfecta feliz contento contenta satisfecho "
     "satisfecha genial fantástico fantástica encanta hermoso hermosa éxito gracias recomiendo rápido amable bom boa ótimo ótima "
     "maravilhoso perfeito perfeita satisfeito satisfeita adorei lindo sucesso obrigado obrigada recomendo melhor mejor"},
    {-25,
     "malo mala malos malas pésimo pésima horribles decepcionado decepcionada decepcionante triste problema problemas lento lenta roto "
     "rota peor insatisfecho estafa inaceptable desastre enojado lamentablemente ruim péssimo péssima horrível terrível decepcionado "
     "decepcionante pior quebrado golpe raiva infelizmente insatisfeito"},
    /* Italian and Dutch */
    {25,
     "buono buona ottimo ottima eccellente meraviglioso perfetto perfetta felice contento soddisfatto soddisfatta bello bella fantastico "
     "successo grazie consiglio gentile goed goede uitstekend geweldig fantastisch prachtig tevreden blij mooi leuk vriendelijk bedankt"},
    {-25,
     "cattivo cattiva pessimo pessima orribile deluso delusa deludente peggio lento rotto insoddisfatto truffa inaccettabile disastro "
     "arrabbiato purtroppo slecht slechte vreselijk verschrikkelijk teleurgesteld teleurstellend kapot langzaam ontevreden boos helaas "
     "oplichting"},
    /* emoji */
    {25, "😀 😁 😂 😃 😄 😅 😆 😇 😉 😊 😋 😍 😎 🙂 🤗 🤩 🥰 🥳 😘 👍 👏 🙌 💪 🎉 🎊 ❤ ♥ 💕 💖 💙 💚 💛 💜 🏆 ⭐ 🌟 ✨ ✅ ☺"},
    {-25, "😞 😟 😠 😡 😢 😣 😤 😥 😧 😨 😩 😫 😭 😰 😱 😒 😓 😔 😕 🙁 ☹ 🤬 🤮 🤢 😖 😾 👎 💔 💩 ❌ ☠ 😿 🥺"},
    {0, NULL},
};
