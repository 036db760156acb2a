#include "language.h"
#include "wordlists.h"

const struct lam_words lam_words_stop_latin[] = {
    {LAM_LANG_EN,
     "a about above after again against all also am an and any are aren't as at be because been before being below between both but by "
     "can can't cannot could couldn't did didn't do does doesn't doing don't down during each else ever every few for from further had "
     "hadn't has hasn't have haven't having he he'd he'll he's her here here's hers herself him himself his how however i i'd i'll i'm "
     "i've if in into is isn't it it's its itself just least less let let's like many may me might more most much must my myself neither "
     "no nor not now of off often on once one only onto or other others ought our ours ourselves out over own per perhaps quite rather "
     "same shall shan't she she'd she'll she's should shouldn't since so some still such than that that's the their theirs them "
     "themselves then there there's therefore these they they'd they'll they're they've this those though through thus till to together "
     "too toward towards under unless until up upon us very was wasn't we we'd we'll we're we've were weren't what what's when where "
     "whether which while who who's whom whose why will with within without won't would wouldn't yet you you'd you'll you're you've your "
     "yours yourself yourselves"},
    {LAM_LANG_DE,
     "der die das und ist in den von zu mit sich auf für nicht ein eine einen einem einer eines im dem des auch es an werden aus er hat "
     "dass sie nach wird bei noch wie war aber so sind haben nur oder kann wir ich ihr ihre seine sein über zum zur durch wenn mehr vor "
     "als um am sehr schon unter keine kein gegen bis mich mir uns euch diese dieser dieses doch wurde worden waren könnte muss weil "
     "damit jetzt alle wo was wer hatte habe bin bist sollte möchte bitte"},
    {LAM_LANG_FR,
     "le la les de des du et est un une en que qui dans pour pas sur au aux ce cette ces il elle nous vous ils elles avec par plus ne se "
     "son sa ses leur leurs sont mais ou où été être avoir avait fait comme tout tous même aussi très sans sous entre donc peut ont je "
     "tu mon ma mes notre votre qu'il quand à a l d n s j on qu si alors bien encore chez dont après avant depuis cela ça lui eux "
     "étaient"},
    {LAM_LANG_ES,
     "el la los las de del y es un una en que por para con no se su sus lo al como más pero le les ha han fue este esta estos estas ese "
     "esa eso entre cuando muy sin sobre también me mi ya hasta hay donde quien desde todo todos nos durante uno ni contra otros ante "
     "ellos porque qué son está están ser tiene tienen había era eran nosotros usted ustedes cada sí así después antes aunque"},
    {LAM_LANG_PT,
     "o a os as de do da dos das e é um uma em no na nos nas que por para com não se seu sua seus suas ao aos à às como mais mas foi "
     "este esta isso essa ele ela eles elas também já até há quando muito sem sobre entre depois mesmo pelo pela pelos pelas são está "
     "estão ser ter tem têm havia era eu você vocês nós meu minha nem ou quem onde porque só ainda foram sido"},
    {LAM_LANG_IT,
     "il lo la i gli le di del dello della dei degli delle e è un uno una in nel nella nei nelle che chi per con non si su sul sulla al "
     "allo alla ai alle da dal dalla dalle come più ma anche sono era erano stato stata essere ha hanno avere questo questa questi "
     "queste quello quella se io tu lui lei noi voi loro mio suo sua suoi tra fra quando dove perché molto senza dopo prima ancora ogni "
     "tutto tutti già così"},
    {LAM_LANG_NL,
     "de het een en van in is dat die te op voor met niet zijn aan er om ook als dan maar bij nog uit naar door over ze hij zij wij je "
     "jij u ik hebben heeft had werd wordt worden deze dit geen of wel meer tot kan kunnen moet zou zal waren was veel onze ons hun hem "
     "haar mijn zo omdat wanneer waar wat wie tegen onder tussen na zonder hier daar alle andere"},
    {LAM_LANG_SV,
     "och att det i en på är som för av med den till inte har de om ett var jag men så från vi kan när han hon man ska skulle vid nu sig "
     "efter också eller sin sitt sina då där här mycket under mot utan blir blev vara varit hade alla andra mer än över oss dem denna "
     "detta dessa någon något några mellan bara vad hur"},
    {LAM_LANG_DA,
     "og at det i en på er som for af med den til ikke har de om et var jeg men så fra vi kan når han hun man skal skulle ved nu sig "
     "efter også eller sin sit sine da der her meget under mod uden bliver blev være været havde alle andre mere end over os dem denne "
     "dette disse nogen noget nogle mellem kun hvad hvor hvordan hvis af"},
    {LAM_LANG_NO,
     "og å det i en på er som for av med den til ikke har de om et var jeg men så fra vi kan når han hun man skal skulle ved nå seg "
     "etter også eller sin sitt sine da der her mye under mot uten blir ble være vært hadde alle andre mer enn over oss dem denne dette "
     "disse noen noe mellom bare hva hvor hvordan hvis ei fikk"},
    {LAM_LANG_FI,
     "ja on ei se että oli hän ovat mutta joka kun niin tai myös kuin sen ole olla olivat ollut jos vain minä sinä me te he tämä nämä ne "
     "jonka jossa josta jotka mitä mikä kuka kanssa mukaan sekä eli vielä jo nyt sitten koska siitä hänen heidän sitä tässä siinä kaikki "
     "eivät en emme voi voidaan pitää ennen jälkeen yli ilman hyvin enemmän"},
    {LAM_LANG_PL,
     "i w na z do nie się że to jest o jak po co tak za od ale czy już tylko przez przy dla są był była było były być może ma mają jego "
     "jej ich który która które którzy tym tego tej te ten ta oraz także bardzo jeszcze gdy gdzie kiedy ponieważ bez pod nad między nas "
     "nam mnie my wy oni jako przed po we ze również więc jednak"},
    {LAM_LANG_CS,
     "a v na se je že to s z do o i k ve pro jako po za by ale tak jsou byl byla bylo byli být jeho její jejich který která které kteří "
     "tím toho tento tato toto také již ještě jen při od pod nad mezi nebo když protože kde jak co už ho mu jsem jsme může mají má není "
     "podle před bez aby než velmi"},
    {LAM_LANG_SK,
     "a v na sa je že to s z do o i k vo pre ako po za by ale tak sú bol bola bolo boli byť jeho jej ich ktorý ktorá ktoré ktorí tým "
     "toho tento táto toto tiež už ešte len pri od pod nad medzi alebo keď pretože kde čo ho mu som sme môže majú má nie je podľa pred "
     "bez aby než veľmi zo so"},
    {LAM_LANG_HU,
     "a az és hogy nem is egy ez meg de már csak volt van el azt mint még ki ha vagy fel le mert amely ami aki ezt ezek azok minden "
     "nagyon után között szerint lesz lehet kell voltak vannak én te ő mi ti ők itt ott így úgy most pedig sem ne be össze alatt előtt "
     "nélkül által"},
    {LAM_LANG_RO,
     "și în de la a pe cu un o nu este că din pentru care mai se au fost sunt ca al ale lui ei lor sau dar ce până după prin între fără "
     "foarte acest această aceste acești aceasta cum când unde dacă avea are fi va vor am ai ne vă eu tu el ea noi voi ele tot toate "
     "doar astfel despre"},
    {LAM_LANG_HR,
     "i u na je se da za od s su koji koja koje kao ali ili iz po o a bi bio bila bilo bili biti će nije nisu što kako kada gdje ako jer "
     "samo već još također između prije nakon zbog bez pod nad prema može mogu ima imaju njegov njihov ovo ovaj ova to taj ta oni mi vi "
     "ja sve svoj vrlo"},
    {LAM_LANG_SL,
     "in je v na se da za ki so pa z s po tudi ne bi kot ali iz o od do pri še že bil bila bilo bili biti ni niso kaj kako kdaj kjer če "
     "ker samo med pred brez pod nad proti lahko ima imajo njegov njihov to ta ti te oni mi vi jaz vse svoj zelo smo sem bo bodo ko"},
    {LAM_LANG_LT,
     "ir yra kad į iš su ne ar bet tai o kaip po už nuo prie per apie buvo būti jis ji jie jo jos jų šis ši šie tas ta taip dar jau tik "
     "labai kuris kuri kurie kai nes jei kur dėl be prieš tarp gali turi savo mes jūs aš tu visi daug"},
    {LAM_LANG_LV,
     "un ir ka uz ar no par ne bet tas tā kā pēc pie līdz bija būt viņš viņa viņi tie šis šī šie arī vēl jau tikai ļoti kurš kura kuri "
     "kad jo ja kur dēļ bez pirms starp var nav savu mēs jūs es tu visi daudz lai vai tiek"},
    {LAM_LANG_ET,
     "ja on ei et see oli ta aga ka kui või ning mis kes seda selle olid olla olnud nad me te ma sa oma kõik väga veel juba ainult nagu "
     "kus siis sest pärast enne ilma koos vahel üle alla saab võib peab pole need tema meie teie nende"},
    {LAM_LANG_TR,
     "ve bir bu da de için ile ne ki mi çok daha gibi en ama o olarak olan var yok kadar sonra önce ancak her şey ben sen biz siz onlar "
     "değil mı mu mü ya veya hem ise göre diye oldu olduğu olduğunu tarafından nasıl neden çünkü şu tüm bütün bazı üzerinde içinde karşı"},
    {LAM_LANG_ID,
     "yang dan di ke dari ini itu untuk dengan tidak pada adalah dalam akan ada juga atau saya anda kami kita mereka dia ia telah sudah "
     "bisa dapat oleh karena sebagai lebih seperti hanya saat jika tetapi namun bahwa para secara antara setelah sebelum masih banyak "
     "semua tersebut bagi harus"},
    {LAM_LANG_VI,
     "và là của có không được cho một các những trong với người này đã đến khi từ để như ra cũng về tại sẽ vào nhưng năm còn hay nếu thì "
     "đó ở bị theo rất nhiều phải trên sau trước tôi bạn chúng họ anh ông bà nó đang mà vì nên chỉ"},
    {LAM_LANG_CA,
     "el la els les de del dels i és un una en que per amb no es seu seva al als com més però va van aquest aquesta aquests aquestes "
     "entre quan molt sense sobre també ja fins hi ha on qui des tot tots ens ni contra perquè són està ser té tenen era eren nosaltres "
     "vostè cada així després abans encara ho li"},
    {0, NULL},
};
